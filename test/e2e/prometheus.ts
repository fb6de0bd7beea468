import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../src/demo/khan-process.ts';
import type { Sample } from '../../src/telemetry/samples.ts';

const READY_MS_MAX = 30_000;
const CHECK_MS = 50;

interface Answer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [time: number, value: string];
    }[];
  };
}

/** A real Prometheus that takes remote writes, and scrapes what its configuration says, on loopback until the test ends. */
export async function startPrometheus(
  t: Test,
  configuration: object = {},
): Promise<{
  readonly url: string;
  readonly query: (expression: string) => Promise<readonly Sample[]>;
}> {
  // JSON is YAML.
  const folder = t.testdir({ 'prometheus.yaml': JSON.stringify(configuration) });
  const address = `127.0.0.1:${await freePort(0)}`;
  const log = process.env['KHAN_E2E_LOG'] === undefined ? 'ignore' : 'inherit';
  const argv = [
    `--config.file=${join(folder, 'prometheus.yaml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
    '--web.enable-remote-write-receiver',
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'prometheus', ...argv], {
    stdio: ['ignore', log, log],
  });
  const closed = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGTERM');
    await closed;
  });
  const url = `http://${address}`;
  const endMs = performance.now() + READY_MS_MAX;
  const isReady = async () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isReady())) {
    if (child.exitCode !== null || performance.now() > endMs)
      throw new Error('Cannot start Prometheus: not ready in time');
    await delay(CHECK_MS);
  }
  const query = async (expression: string): Promise<readonly Sample[]> => {
    const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`);
    if (!response.ok) throw new Error(`Cannot query: ${await response.text()}`);
    const { data }: Answer = JSON.parse(await response.text());
    return data.result.map(({ metric: { __name__: name = '', ...labels }, value }) => {
      return { name, labels, value: Number(value[1]) };
    });
  };
  return { url, query };
}
