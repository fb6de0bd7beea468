import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A program that is measured, on Node with `argv`; it ends with us, and loads nothing for that. */
export function startProgram(
  argv: readonly string[],
  resources: AsyncDisposableStack,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...env },
  });
  resources.defer(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  });
  return child;
}

export async function temporaryFolder(resources: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'khan-bench-'));
  resources.defer(() => rm(folder, { recursive: true }));
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
