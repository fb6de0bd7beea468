import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { freePort } from '../../src/demo/khan-process.ts';

export const PIPELINES = join(import.meta.dirname, '../../otel/collector');
const READY_MS_MAX = 30_000;
const CHECK_MS = 50;

type Environment = Readonly<Record<string, string>>;

/** What every first file is told. */
const CLUSTER: Environment = { K8S_CLUSTER_NAME: 'blue', DEPLOYMENT_ENVIRONMENT: 'test' };

/** Without its own metrics: two could not listen on one port. */
const QUIET = ['--set', 'service::telemetry::metrics::level=none'];

/** Arguments that give a Collector these files of otel/collector, in this order. */
export function configOf(files: readonly string[]): readonly string[] {
  return files.flatMap((file) => ['--config', join(PIPELINES, file)]);
}

/** A Collector with files of otel/collector, on loopback until the test ends; resolves to its OTLP endpoint. */
export async function startCollector(
  t: Test,
  program: string,
  { files, env }: { readonly files: readonly string[]; readonly env: Environment },
): Promise<{ readonly endpoint: string; stop(): Promise<void> }> {
  const [otlp, health] = [`127.0.0.1:${await freePort(0)}`, `127.0.0.1:${await freePort(0)}`];
  const argv = ['--pdeathsig', 'KILL', program, ...configOf(files), ...QUIET];
  const child = spawn('setpriv', argv, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...environment(),
      ...CLUSTER,
      OTLP_LISTEN: otlp,
      HEALTH_LISTEN: health,
      ...env,
    },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (process.env['KHAN_E2E_LOG'] !== undefined) process.stderr.write(text);
  });
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await closed;
  };
  t.teardown(stop);
  const deadlineMs = performance.now() + READY_MS_MAX;
  while (!(await isHealthy(`http://${health}/`))) {
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      throw new Error(`Cannot start the Collector with ${files.join(', ')}: ${said}`);
    }
    await delay(CHECK_MS);
  }
  return { endpoint: `http://${otlp}`, stop };
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Without settings of khan and of OpenTelemetry that the user's shell may have. */
function environment(): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(KHAN|OTEL)_/.test(name));
  return Object.fromEntries(foreign);
}
