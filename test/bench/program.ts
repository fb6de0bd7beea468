import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const REPOSITORY = join(import.meta.dirname, '../..');

/** /proc counts in USER_HZ. */
const TICKS_PER_SECOND = 100;

/** A program that is measured, on Node with `argv`; it ends with us, and loads nothing for that. */
export function startProgram(
  argv: readonly string[],
  resources: AsyncDisposableStack,
  env: Readonly<Record<string, string>> = {},
  stderr: 'inherit' | 'pipe' = 'inherit',
): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...argv], {
    stdio: ['ignore', 'pipe', stderr, 'ipc'],
    // A poll of a second may cost more than its share of a core.
    env: { ...process.env, KHAN_CPU_SHARE_MAX: '0', ...env },
  });
  resources.defer(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  });
  return child;
}

/** Empty; removed also when we are interrupted. */
export async function temporaryFolder(resources: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'khan-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove).once('SIGINT', end).once('SIGTERM', end);
  resources.defer(() => {
    process.off('exit', remove).off('SIGINT', end).off('SIGTERM', end);
    remove();
  });
  return folder;
}

/** For a controller beside an API server on plain HTTP. */
export async function kubeconfigFor(
  server: string,
  resources: AsyncDisposableStack,
): Promise<string> {
  const folder = await temporaryFolder(resources);
  const path = join(folder, 'kubeconfig.json');
  const name = 'bench';
  await writeFile(
    path,
    JSON.stringify({
      'current-context': name,
      contexts: [{ name, context: { cluster: name, user: name } }],
      clusters: [{ name, cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name, user: { token: 'bench' } }],
    }),
  );
  return path;
}

/** Of /readyz; undefined while nobody listens. */
export async function statusOf(pages: string): Promise<number | undefined> {
  return fetch(`${pages}/readyz`).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
    () => undefined,
  );
}

/** Resident memory, at most and now, in MB of 10^6 bytes: proc_pid_status(5). */
export async function memoryOf({
  pid,
}: ChildProcess): Promise<{ readonly rss_peak_mb: number; readonly rss_mb: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const megabytes = (name: string) => {
    const kilobytes = Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
    return Math.round((kilobytes * 1024) / 1e4) / 100;
  };
  return { rss_peak_mb: megabytes('VmHWM'), rss_mb: megabytes('VmRSS') };
}

/** From now on, {@link memoryOf} tells the peak since now: proc_pid_clear_refs(5). */
export async function forgetPeakOf({ pid }: ChildProcess): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** User and system time, fields 14 and 15 of proc_pid_stat(5). */
export async function cpuSecondsOf({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function end(): void {
  process.exit(1);
}
