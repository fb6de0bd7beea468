import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { buffer, text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Attributes } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import t, { type Test } from 'tap';
import { overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { observeMapping, QuestionMetrics } from '../../src/telemetry/mapping-metrics.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import { SelfMetrics } from '../../src/telemetry/self-metrics.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';

const POLL_INTERVAL_MS = 30_000;
const TABLE = { entries: 7, limit: 262_144 };

type Source = ConstructorParameters<typeof PrometheusPage>[0]['producer'];

/** The page of an agent on loopback, at a time that the test sets. */
async function servePage(t: Test, source?: Source) {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const clock = { nowMs: 0 };
  const { log, lines } = capturedLog();
  const page = new PrometheusPage({
    producer: source ?? producer,
    pollIntervalMs: () => POLL_INTERVAL_MS,
    log,
    now: () => clock.nowMs,
  });
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': 'khan-agent' }),
    readers: [page.reader],
  });
  const handled = { requests: 0 };
  const server = createServer((request, response) => {
    void page.handle(request, response);
    handled.requests += 1;
  });
  const port = await listenOnLoopback(t, server);
  t.teardown(() => server.closeAllConnections());
  const fetchPage = async (
    options: { localAddress?: string; headers?: Record<string, string> } = {},
  ): Promise<IncomingMessage> => {
    const [response] = await once(get({ port, host: '127.0.0.1', ...options }), 'response');
    return response;
  };
  /** What a scraper at this address reads. */
  const scrape = async (localAddress = '127.0.0.1'): Promise<string> =>
    text(await fetchPage({ localAddress }));
  return { producer, page, provider, clock, lines, port, handled, fetchPage, scrape };
}

/** What the producer says, once `collecting` is over. */
function sourceOf(producer: ConnectionProducer, collecting: () => Promise<void>): Source {
  return {
    get takenAtMs() {
      return producer.takenAtMs;
    },
    get columns() {
      return producer.columns;
    },
    others: {
      async collect() {
        await collecting();
        return producer.others.collect();
      },
    },
  };
}

function sample(page: string, name: string): string | undefined {
  return page
    .split('\n')
    .find((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    ?.split(' ')
    .at(-1);
}

t.test('the page says what the producer says', async (t) => {
  const { producer, clock, scrape } = await servePage(t);
  const labels: Attributes = { node: 'node-a', src_ip: '10.1.0.1', dst_port: 443, primary: true };
  const series = new SeriesBuilder({
    labels,
    opened: 3,
    closed: 1,
    active: { ESTABLISHED: 2, TIME_WAIT: 0 },
    publishedAtMs: 0,
  });
  const overflow = new SeriesBuilder({
    labels: overflowAttributes('node-a', false),
    opened: 9,
    publishedAtMs: 0,
  });
  await producer.publish(publicationOf(30_000, series, overflow), TABLE);
  clock.nowMs = 31_000;
  t.equal(
    await scrape(),
    `# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="khan-agent"} 1
# HELP khan_conntrack_entries Entries in the connection tracking table of this network namespace
# TYPE khan_conntrack_entries gauge
khan_conntrack_entries{node="node-a"} 7
# HELP khan_conntrack_limit Entries that the connection tracking table may hold (nf_conntrack_max)
# TYPE khan_conntrack_limit gauge
khan_conntrack_limit{node="node-a"} 262144
# HELP khan_connection_total Connections opened since the agent began, each counted once, when first seen
# TYPE khan_connection_total counter
khan_connection_total{node="node-a",src_ip="10.1.0.1",dst_port="443",primary="true"} 3
khan_connection_total{otel_metric_overflow="true",node="node-a",primary="false"} 9
# HELP khan_connection_closed_total Of the connections counted as opened, those that have left the table
# TYPE khan_connection_closed_total counter
khan_connection_closed_total{node="node-a",src_ip="10.1.0.1",dst_port="443",primary="true"} 1
khan_connection_closed_total{otel_metric_overflow="true",node="node-a",primary="false"} 0
# HELP khan_connection_active Connections in the table now, by state
# TYPE khan_connection_active gauge
khan_connection_active{node="node-a",src_ip="10.1.0.1",dst_port="443",primary="true",state="ESTABLISHED"} 2
khan_connection_active{node="node-a",src_ip="10.1.0.1",dst_port="443",primary="true",state="TIME_WAIT"} 0
`,
  );
});

const HAS_PROMTOOL = spawnSync('promtool', ['--version']).error === undefined;
const MAY_SKIP = process.env['CI'] !== 'true';
const skip = !HAS_PROMTOOL && MAY_SKIP && 'PROMTOOL IS NOT INSTALLED: the page was not checked';

t.test('promtool finds nothing to say about the page', { skip }, async (t) => {
  const { producer, provider, page } = await servePage(t);
  const self = new SelfMetrics(provider.getMeter('khan'));
  self.recordCycle({
    result: 'success',
    durationMs: 40,
    dumpDurationMs: 30,
    repeatedDumps: 0,
    malformedMessages: 0,
    excludedEntries: 0,
    edges: 1,
    series: 1,
    overflowEdges: 0,
  });
  new QuestionMetrics(provider.getMeter('khan')).answered(5);
  observeMapping(provider.getMeter('khan'), () => ({
    up: true,
    stale: false,
    unresolvedAddresses: 2,
    lastAnswerMs: 0,
  }));
  const series = new SeriesBuilder({ opened: 3, active: { ESTABLISHED: 2 } });
  await producer.publish(publicationOf(30_000, series), TABLE);
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await page.render(),
    encoding: 'utf8',
  });
  t.strictSame({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

t.test('a unit is a word at the end of the name, as on the way through a collector', async (t) => {
  const { provider, scrape } = await servePage(t);
  const meter = provider.getMeter('khan');
  meter.createHistogram('wait', { unit: 's' }).record(1);
  meter.createCounter('sent', { unit: 'By' }).add(1);
  meter.createCounter('received_bytes', { unit: 'By' }).add(1);
  meter.createCounter('seen', { unit: '{thing}' }).add(1);
  const page = await scrape();
  t.equal(sample(page, 'wait_seconds_count'), '1');
  t.equal(sample(page, 'sent_bytes_total'), '1');
  t.equal(sample(page, 'received_bytes_total'), '1');
  t.equal(sample(page, 'seen_total'), '1');
  t.notMatch(page, '{thing}');
});

t.test('a new counter series is 0 for one poll interval, its gauges are not', async (t) => {
  const { producer, clock, scrape } = await servePage(t);
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 60_000, active: { SYN_SENT: 1 } });
  await producer.publish(publicationOf(60_000, series), TABLE);
  clock.nowMs = 89_999;
  const early = await scrape('127.0.0.2');
  t.equal(sample(early, 'khan_connection_total'), '0');
  t.equal(sample(early, 'khan_connection_active'), '1');
  clock.nowMs = 90_000;
  t.equal(sample(await scrape('127.0.0.3'), 'khan_connection_total'), '1');
});

t.test('every scraper, whatever its rhythm, sees a new counter series at 0 first', async (t) => {
  const { producer, clock, scrape } = await servePage(t);
  const opened = async (nowMs: number, address: string): Promise<string | undefined> => {
    clock.nowMs = nowMs;
    return sample(await scrape(address), 'khan_connection_total');
  };
  const fast = '127.0.0.2';
  const slow = '127.0.0.3';
  await opened(1000, slow);
  await opened(110_000, fast);
  await opened(121_000, slow);
  await opened(125_000, fast);
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 130_000 });
  await producer.publish(publicationOf(130_000, series), TABLE);
  t.equal(await opened(140_000, fast), '0');
  t.equal(await opened(170_000, fast), '1', 'whatever the slow one has seen');
  t.equal(await opened(241_000, slow), '0');
  t.equal(await opened(242_000, fast), '1');
  t.equal(await opened(361_000, slow), '1');
});

t.test('another program on the host of a scraper is another client', async (t) => {
  const { producer, clock, fetchPage } = await servePage(t);
  const opened = async (nowMs: number, program: string): Promise<string | undefined> => {
    clock.nowMs = nowMs;
    const page = await text(await fetchPage({ headers: { 'user-agent': program } }));
    return sample(page, 'khan_connection_total');
  };
  await opened(100_000, 'Prometheus/3');
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 130_000 });
  await producer.publish(publicationOf(130_000, series), TABLE);
  t.equal(await opened(140_000, 'khan top'), '0');
  t.equal(await opened(170_000, 'khan top'), '1');
  t.equal(await opened(171_000, 'Prometheus/3'), '0', 'it has not seen the 0 yet');
  t.equal(await opened(201_000, 'Prometheus/3'), '1');
});

t.test('an ended series leaves the page, and is 0 again when it returns', async (t) => {
  const { producer, clock, scrape } = await servePage(t);
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 0 });
  await producer.publish(publicationOf(0, series), TABLE);
  clock.nowMs = 60_000;
  t.equal(sample(await scrape(), 'khan_connection_total'), '1');
  await producer.publish(publicationOf(90_000), TABLE);
  t.equal(sample(await scrape(), 'khan_connection_total'), undefined);
  const returned = new SeriesBuilder({ opened: 1, publishedAtMs: 120_000 });
  await producer.publish(publicationOf(120_000, returned), TABLE);
  clock.nowMs = 180_000;
  t.equal(sample(await scrape(), 'khan_connection_total'), '0');
  t.equal(sample(await scrape(), 'khan_connection_total'), '1');
});

t.test('render() shows all values as they are', async (t) => {
  const { producer, page } = await servePage(t);
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 60_000 });
  await producer.publish(publicationOf(60_000, series), TABLE);
  t.equal(sample(await page.render(), 'khan_connection_total'), '1');
});

t.test('a client that asks for gzip gets gzip', async (t) => {
  const { producer, fetchPage, scrape } = await servePage(t);
  await producer.publish(publicationOf(60_000, new SeriesBuilder()), TABLE);
  const packed = await fetchPage({ headers: { 'accept-encoding': 'deflate, gzip;q=0.8' } });
  t.equal(packed.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  t.equal(packed.headers['content-encoding'], 'gzip');
  t.equal(gunzipSync(await buffer(packed)).toString(), await scrape());
  for (const refusing of ['', 'identity', 'gzip;q=0', 'gzip; q=0.0, br']) {
    const plain = await fetchPage({ headers: { 'accept-encoding': refusing } });
    t.equal(plain.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    t.equal(plain.headers['content-encoding'], undefined, refusing);
    plain.resume();
  }
});

t.test('scrapes at one time share one rendering, and each is noted', async (t) => {
  const collection = Promise.withResolvers<undefined>();
  let collections = 0;
  const inner = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const source = sourceOf(inner, async () => {
    collections += 1;
    await collection.promise;
  });
  const { clock, handled, scrape } = await servePage(t, source);
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 60_000 });
  await inner.publish(publicationOf(30_000), TABLE);
  const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.3', '127.0.0.4'];
  const scrapes = addresses.map(async (address) => scrape(address));
  while (handled.requests < addresses.length) await new Promise(setImmediate);
  collection.resolve(undefined);
  const [first, ...others] = await Promise.all(scrapes);
  for (const other of others) t.equal(other, first);
  t.equal(collections, 1);
  await inner.publish(publicationOf(60_000, series), TABLE);
  clock.nowMs = 200_000;
  t.equal(sample(await scrape('127.0.0.4'), 'khan_connection_total'), '0');
});

t.test('a shared page never shows a scraper a value before its 0', async (t) => {
  const collection = Promise.withResolvers<undefined>();
  const inner = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  let collections = 0;
  const source = sourceOf(inner, async () => {
    collections += 1;
    if (collections === 2) await collection.promise;
  });
  const { clock, handled, scrape } = await servePage(t, source);
  await inner.publish(publicationOf(30_000), TABLE);
  await scrape('127.0.0.2');
  const series = new SeriesBuilder({ opened: 1, publishedAtMs: 60_000 });
  await inner.publish(publicationOf(60_000, series), TABLE);
  clock.nowMs = 200_000;
  const stranger = scrape('127.0.0.3');
  while (handled.requests < 2) await new Promise(setImmediate);
  const known = await scrape('127.0.0.2');
  collection.resolve(undefined);
  t.equal(sample(await stranger, 'khan_connection_total'), '1');
  t.equal(sample(known, 'khan_connection_total'), '0');
});

t.test('a collection with an error is a 500, never a page without series', async (t) => {
  const { provider, lines, fetchPage } = await servePage(t);
  provider
    .getMeter('khan')
    .createObservableGauge('broken')
    .addCallback(() => {
      throw new Error('no value today');
    });
  const response = await fetchPage();
  t.equal(response.statusCode, 500);
  t.notMatch(await text(response), 'no value today');
  t.match(lines, [{ level: 50, err: { message: /Cannot collect the metrics/ } }]);
});

t.test('a page without a MeterProvider is a 500', async (t) => {
  const { log } = capturedLog();
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const page = new PrometheusPage({ producer, pollIntervalMs: () => POLL_INTERVAL_MS, log });
  const server = createServer((request, response) => void page.handle(request, response));
  const port = await listenOnLoopback(t, server);
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  t.equal(response.status, 500);
});

t.test('a client that left before it had the page has seen nothing', async (t) => {
  const { producer, clock, lines, port, scrape } = await servePage(t);
  await producer.publish(publicationOf(30_000), TABLE);
  await scrape();
  await producer.publish(publicationOf(60_000, ...manySeries()), TABLE);
  clock.nowMs = 100_000;
  const [response] = await once(get({ port, host: '127.0.0.1' }), 'response');
  response.destroy();
  while (lines.length === 0) await new Promise(setImmediate);
  t.match(lines, [{ level: 20, msg: 'The client left before it had the whole page' }]);
  t.equal(sample(await scrape(), 'khan_connection_total'), '0');
});

t.test('readers who stop reading hold eight pages and no more', async (t) => {
  const { producer, lines, fetchPage } = await servePage(t);
  await producer.publish(publicationOf(60_000, ...manySeries()), TABLE);
  const readers: IncomingMessage[] = [];
  for (let pages = 0; pages < 8; pages++) readers.push(await fetchPage());
  for (const { statusCode } of readers) t.equal(statusCode, 200);
  const refused = await fetchPage();
  t.equal(refused.statusCode, 500);
  refused.resume();
  t.match(lines, [{ level: 50, err: { message: '8 pages are still being read' } }]);
  readers[0]!.destroy();
  while (lines.length === 1) await new Promise(setImmediate);
  const next = await fetchPage();
  t.equal(next.statusCode, 200);
  next.destroy();
});

/** A page that is more than the buffers of both sockets hold. */
function manySeries(): SeriesBuilder[] {
  return Array.from({ length: 2000 }, (_, number) => {
    const labels = { node: 'node-a', dst_name: `${number}`.padEnd(5000, 'x') };
    return new SeriesBuilder({ labels, opened: 1, publishedAtMs: 60_000 });
  });
}
