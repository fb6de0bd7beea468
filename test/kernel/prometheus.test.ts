/** A real Prometheus scrapes the agent of a namespace with real connections, in both formats. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { noPrometheus, portOf, startPrometheus } from './prometheus-server.ts';
import { skip as noKernel } from './skip.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.0.0.2';
const POLL_MS = 300;
const PATIENCE_MS = 60_000;
const skip = noKernel || noPrometheus;

/** The two jobs come from two addresses, for a page knows its scrapers by them. */
const JOBS = { openmetrics: '127.0.0.1', text: '::1' } as const;
type Job = keyof typeof JOBS;

/** An agent that polls and is scraped until the test ends. */
async function startAgent(t: Test, netns: string) {
  const argv = ['--netns', netns, '--exclude', 'none', '--created-timestamps'];
  const settings = readSettings(
    agentSettings,
    [...argv, '--series-ttl', '1s', '--poll-interval', `${POLL_MS}ms`, '--cpu-share-max', '0'],
    {},
  );
  const { log } = capturedLog();
  const agent = await createAgent({ settings, version: '0', log }, readOtelSettings({}));
  const ending = new AbortController();
  const polling = (async () => {
    while (!ending.signal.aborted) {
      await agent.cycle.tick(new AbortController().signal);
      await delay(POLL_MS);
    }
  })();
  t.teardown(async () => {
    ending.abort();
    await polling;
    await agent[Symbol.asyncDispose]();
  });
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.socket.remoteAddress === JOBS.text) request.headers.accept = 'text/plain';
    void agent.page.handle(request, response);
  };
  const targets = new Map<Job, string>();
  for (const job of ['openmetrics', 'text'] as const) {
    const server = createServer(handle);
    const port = await portOf(server, JOBS[job]);
    t.teardown(() => server.close().closeAllConnections());
    targets.set(job, job === 'text' ? `[::1]:${port}` : `127.0.0.1:${port}`);
  }
  return { agent, targets };
}

async function until(condition: () => Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + PATIENCE_MS;
  while (performance.now() < endMs) {
    if (await condition()) return true;
    await delay(100);
  }
  return false;
}

/**
 * What increase() says, without the part that it guesses: beyond the first sample it extrapolates no
 * further than to where the counter was 0, and the first sample is 0; beyond the last one no further
 * than to the moment of the evaluation, and that is the last sample's.
 */
const increaseOf = (job: Job) =>
  `sum(increase(khan_connection_total{job="${job}",dst_ip="${SERVER}",primary="true"}[10m]))`;

t.setTimeout(120_000);

t.test('the sum of increase() is what was opened, TTL and return included', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
  const { agent, targets } = await startAgent(t, namespace.path);
  const { value, atLastScrape } = await startPrometheus(t, targets);
  for (const job of targets.keys()) {
    t.ok(await until(async () => (await value(`up{job="${job}"}`)) === 1), `${job} is up`);
  }
  let opened = 0;
  const open = async (port: number, count: number): Promise<void> => {
    await namespace.open({ source: CLIENT, destination: SERVER, port, count });
    opened += count;
  };
  const sumIs = async (truth: number): Promise<boolean> => {
    const sums = new Set<number | undefined>();
    for (const job of targets.keys()) sums.add(await atLastScrape(job, increaseOf(job)));
    for (const sum of sums) if ((sum ?? 0) > truth) throw new Error(`${sum} of ${truth} opened`);
    return sums.size === 1 && sums.has(truth);
  };

  await open(8001, 3);
  await open(8002, 1);
  t.ok(await until(() => sumIs(opened)), 'each from its first connection on');
  await open(8001, 2);
  t.ok(await until(() => sumIs(opened)), 'a series that grows');

  await namespace.reset(8002);
  const isForgotten = async () => !(await agent.page.render()).includes('dst_port="8002"');
  t.ok(await until(isForgotten), 'forgotten');
  const gone = async (job: Job) =>
    (await value(`khan_connection_total{job="${job}",dst_port="8002"}`)) === undefined;
  t.ok(await until(async () => (await gone('text')) && gone('openmetrics')), 'scraped without it');
  await open(8002, 4);
  t.ok(await until(() => sumIs(opened)), 'back, and counted from 0');
  t.equal(opened, 10);

  const created = 'count(khan_connection_created)';
  t.equal(await value(`${created} == count(khan_connection_total{job="openmetrics"})`), 2);
  t.equal(await value('count(khan_connection_created{job="text"})'), undefined);
  const info = await value('count(target_info{service_name="khan-agent"})');
  t.equal(info, 2, 'both jobs have what the resource says');
});
