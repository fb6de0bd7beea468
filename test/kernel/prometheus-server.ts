import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createTcpServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';

const HAS_PROMETHEUS = spawnSync('prometheus', ['--version']).error === undefined;
const MAY_SKIP = process.env['CI'] !== 'true';
const NO_PROMETHEUS = 'PROMETHEUS IS NOT INSTALLED: nobody has scraped the page';

/** Why a test that needs Prometheus is skipped; false where it is not. */
export const noPrometheus = !HAS_PROMETHEUS && MAY_SKIP && NO_PROMETHEUS;

/** A server listens on a free port of this host. */
export async function portOf(server: Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`Cannot listen on ${host}`);
  return address.port;
}

/**
 * A real Prometheus that scrapes these targets, by job, every second. Answers what PromQL answers at the time of
 * the job's last scrape.
 */
export async function startPrometheus(t: Test, targets: ReadonlyMap<string, string>) {
  const probe = createTcpServer();
  const port = await portOf(probe, '127.0.0.1');
  probe.close();
  await once(probe, 'close');
  const jobs = Array.from(targets, ([job, target]) => ({
    job_name: job,
    static_configs: [{ targets: [target] }],
  }));
  const config = { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: jobs };
  // JSON is YAML.
  const folder = t.testdir({ 'prometheus.yml': JSON.stringify(config), data: {} });
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  t.teardown(async () => {
    prometheus.kill();
    if (prometheus.exitCode === null) await once(prometheus, 'exit');
  });
  const value = async (query: string, atSeconds?: number): Promise<number | undefined> => {
    const url = new URL(`http://127.0.0.1:${port}/api/v1/query`);
    url.searchParams.set('query', query);
    if (atSeconds !== undefined) url.searchParams.set('time', String(atSeconds));
    try {
      const response = await fetch(url);
      // Up, and not ready yet.
      if (response.status === 503) return undefined;
      const { data, error } = Object(await response.json());
      if (error !== undefined) throw new RangeError(`Cannot evaluate ${query}: ${error}`);
      const text = data.result[0]?.value[1];
      return text === undefined ? undefined : Number(text);
    } catch (error) {
      // Not up yet.
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  };
  return {
    value,
    atLastScrape: async (job: string, query: string) =>
      value(query, await value(`timestamp(up{job="${job}"})`)),
  };
}
