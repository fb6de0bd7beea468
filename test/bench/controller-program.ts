import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import type { Block } from './loop-block.ts';
import { kubeconfigFor, REPOSITORY, startProgram } from './program.ts';

const WAIT_MS_MAX = 300_000;
const CHECK_MS = 20;

/** A `khan controller` beside an API server on plain HTTP, which tells how long its event loop is blocked. */
export async function startController(
  server: string,
  resources: AsyncDisposableStack,
  argv: readonly string[] = [],
  {
    repository = REPOSITORY,
    env = {},
  }: { readonly repository?: string; readonly env?: Readonly<Record<string, string>> } = {},
) {
  const kubeconfig = await kubeconfigFor(server, resources);
  const [port, pagesPort] = [await freePort(0), await freePort(0)];
  const [listen, pages] = [`127.0.0.1:${port}`, `127.0.0.1:${pagesPort}`];
  const controller = startProgram(
    [
      '--import',
      join(import.meta.dirname, 'report-block.ts'),
      join(repository, 'src/cli.ts'),
      'controller',
    ]
      .concat(['--kubeconfig', kubeconfig, '--service-accounts', 'khan/khan-agent', '--tls', 'off'])
      .concat(['--listen', listen, '--metrics-listen', pages, '--log-level', 'error'])
      .concat(argv),
    resources,
    env,
  );
  return { controller, port, url: `http://${listen}`, pages: `http://${pages}` };
}

/** The longest since it was asked last. */
export async function blockOf(program: ChildProcess): Promise<Block> {
  program.send('block');
  const [block] = await once(program, 'message');
  return block;
}

export async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error('Cannot measure: the controller is not ready');
    await delay(CHECK_MS);
  }
}
