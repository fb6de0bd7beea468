import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';

/** A container as the API server has it, and what a kubelet would add. */
export interface Container {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: number;
  /** In setpriv's words, of what is left after all others were dropped. */
  readonly capabilities: readonly string[];
  /** Content by path below /run; nobody can write to anything. */
  readonly files: Readonly<Record<string, string>>;
  /** Lines of /etc/hosts. */
  readonly hosts: string;
}

interface Place {
  readonly folder: string;
  readonly entrypoint: readonly string[];
  /** A command that goes where it runs, such as `nsenter`. */
  readonly through?: readonly string[];
}

const MOUNT = `mount --make-rprivate / &&
mount -t tmpfs tmpfs /run && cp -a "$1/run/." /run/ && mount --bind "$1/hosts" /etc/hosts &&
mount -o remount,ro /run && mount -o remount,ro,bind / && shift && exec "$@"`;

/** Runs it with exactly this: until it is killed, at the latest when the test ends. */
export async function startContainer(
  t: Test,
  { args, env, user, capabilities, files, hosts }: Container,
  { folder, entrypoint, through = [] }: Place,
): Promise<{ readonly process: ChildProcess; logged(message: string): Promise<string> }> {
  const root = join(folder, args[0] ?? 'container');
  await mkdir(join(root, 'run'), { recursive: true });
  await writeFile(join(root, 'hosts'), hosts);
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path.replace(/^\/var\/run/, '/run'));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  await cp('/etc/resolv.conf', join(root, 'run/resolv.conf')).catch(() => {});
  const bounding = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join();
  const [program = '', ...argv] = [
    through,
    ['unshare', '--mount', 'sh', '-c', MOUNT, 'sh', root],
    ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'],
    [`--bounding-set=${bounding}`, '--inh-caps=-all', '--no-new-privs', 'env', '-i'],
    Object.entries(env).map(([name, value]) => `${name}=${value}`),
    entrypoint,
    args,
  ].flat();
  const child = spawn(program, argv, { stdio: ['ignore', 'inherit', 'pipe'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`Cannot run ${args[0]}: exit ${code}: ${log}`);
  });
  ended.catch(() => {});
  return {
    process: child,
    async logged(message) {
      while (!log.includes(message)) await Promise.race([once(child.stderr, 'data'), ended]);
      return log;
    },
  };
}
