import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { until } from '../demo/until.ts';
import { otlpReceiver, plain, type OtlpMetric } from '../fakes/otlp-receiver.ts';
import { OPENED } from '../../src/connections/measure.ts';

const TABLE = { entries: 7, limit: 262_144 };
const OFTEN = { OTEL_METRIC_EXPORT_INTERVAL: '50' };
const DELTA = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta' };

type Receiver = Awaited<ReturnType<typeof otlpReceiver>>;

function values(metric: OtlpMetric | undefined): number[] {
  return metric?.sum?.dataPoints.map(({ asInt }) => Number(asInt)) ?? [];
}

/** All that has been told of one metric, in the order of arrival. */
function arrived({ pushes }: Receiver, name: string): number[] {
  return pushes.flatMap(({ metrics }) => values(metrics.get(name)));
}

/** The last value of a metric of khan's own, by its result. */
function result({ pushes }: Receiver, name: string, which: string): number | undefined {
  const points = pushes.flatMap(({ metrics }) => metrics.get(name)?.sum?.dataPoints ?? []);
  const last = points.findLast(({ attributes }) => plain(attributes)['result'] === which);
  return last && Number(last.asInt);
}

/** One request for which the answer is given later. */
function answers(...given: readonly ((response: ServerResponse) => void)[]) {
  const left = [...given];
  return (response: ServerResponse): void => {
    const answer = left.shift();
    if (answer === undefined) response.end();
    else answer(response);
  };
}

function many(count: number): SeriesBuilder[] {
  return Array.from({ length: count }, (_, port) => {
    return new SeriesBuilder({ labels: { dst_port: port, primary: true }, opened: 1 });
  });
}

for (const [protocol, contentType] of [
  ['http/json', 'application/json'],
  ['http/protobuf', 'application/x-protobuf'],
] as const) {
  const start = async (t: Test, receiver: Receiver, env: Readonly<Record<string, string>> = {}) =>
    startedTelemetry(t, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      ...env,
    });

  t.test(`${protocol}: a push carries names, times, typed attributes and headers`, async (t) => {
    const receiver = await otlpReceiver(t);
    const { telemetry, producer } = await start(t, receiver, {
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20me,tenant=blue',
    });
    const labels = { node: 'node-ä', dst_port: 443, primary: true };
    const series = new SeriesBuilder({ labels, startTimeMs: 1_000_250, opened: 2 ** 40 });
    await producer.publish(publicationOf(1_030_500, series), TABLE);
    await telemetry.shutdown({ timeoutMs: 5000 });
    const [push] = receiver.pushes;
    t.match(push, {
      path: '/v1/metrics',
      contentType,
      contentEncoding: 'gzip',
      headers: { authorization: 'Bearer me', tenant: 'blue' },
      resource: { 'service.name': 'khan-agent', 'k8s.node.name': 'node-a' },
    });
    const metric = push?.metrics.get('khan_connection');
    t.match(metric, {
      unit: '{connection}',
      sum: { aggregationTemporality: 2, isMonotonic: true },
    });
    t.strictSame(
      metric?.sum?.dataPoints.map((point) => ({ ...point, attributes: plain(point.attributes) })),
      [
        {
          attributes: labels,
          startTimeUnixNano: '1000250000000',
          timeUnixNano: '1030500000000',
          asInt: 2 ** 40,
        },
      ],
    );
  });

  t.test(
    `${protocol}: what a collector rejects is counted and said, and not told again`,
    async (t) => {
      const body =
        protocol === 'http/json'
          ? '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}'
          : Buffer.from([10, 11, 8, 3, 18, 7, ...Buffer.from('too old')]);
      const answer = answers((response) => response.end(body));
      const receiver = await otlpReceiver(t, { answer });
      const { telemetry, producer, lines } = await start(t, receiver, { ...OFTEN, ...DELTA });
      await producer.publish(publicationOf(1_030_000, ...many(5)), TABLE);
      t.ok(await until(() => result(receiver, 'khan_agent_pushed_points', 'rejected') === 3));
      await telemetry.shutdown({ timeoutMs: 5000 });
      t.strictSame(arrived(receiver, 'khan_connection'), [1, 1, 1, 1, 1]);
      t.match(lines, [{ level: 40, msg: /Partial Success.*3.*too old/ }]);
    },
  );

  t.test(`${protocol}: a busy collector is asked again, and told once`, async (t) => {
    const answer = answers((response) => {
      response.writeHead(503, { 'retry-after': '0' }).end();
    });
    const receiver = await otlpReceiver(t, { answer });
    const { telemetry, producer } = await start(t, receiver, DELTA);
    await producer.publish(publicationOf(1_030_000, ...many(2)), TABLE);
    await telemetry.shutdown({ timeoutMs: 5000 });
    t.strictSame(arrived(receiver, 'khan_connection'), [1, 1, 1, 1], 'the same request twice');
    t.equal(receiver.pushes.length, 2);
  });
}

t.test('deltas of a push that failed are in the next one', async (t) => {
  const answer = answers((response) => response.writeHead(400).end());
  const receiver = await otlpReceiver(t, { answer });
  const { telemetry, producer, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    ...OFTEN,
    ...DELTA,
  });
  const series = new SeriesBuilder({ opened: 3 });
  await producer.publish(publicationOf(1_030_000, series), TABLE);
  t.ok(await until(() => receiver.pushes.length > 1));
  series.set(OPENED, 5);
  await producer.publish(publicationOf(1_060_000, series), TABLE);
  t.ok(await until(() => result(receiver, 'khan_agent_push_requests', 'failure') === 1));
  await telemetry.shutdown({ timeoutMs: 5000 });
  const [refused, ...told] = receiver.pushes.flatMap(
    ({ metrics }) => metrics.get('khan_connection')?.sum?.dataPoints ?? [],
  );
  t.match(refused, { asInt: 3 });
  t.equal(
    told.reduce((sum, { asInt }) => sum + Number(asInt), 0),
    5,
  );
  t.equal(told[0]?.startTimeUnixNano, '1000000000000');
  t.equal(told.at(-1)?.timeUnixNano, '1060000000000');
  t.match(lines, [{ level: 50, msg: /metrics export failed.*Bad Request/ }]);
});

t.test('a batch that is refused costs the others nothing', async (t) => {
  const answer = answers((response) => response.writeHead(400).end());
  const receiver = await otlpReceiver(t, { answer });
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  });
  await producer.publish(publicationOf(1_030_000, ...many(3000)), TABLE);
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.equal(receiver.pushes.length, 7);
});

t.test('without an answer the rest of a push is not tried, and the log says why', async (t) => {
  const answer = answers((response) => response.destroy());
  const receiver = await otlpReceiver(t, { answer });
  const { telemetry, producer, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  });
  await producer.publish(publicationOf(1_030_000, ...many(3000)), TABLE);
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.equal(receiver.pushes.length, 1);
  t.match(lines, [{ level: 50, msg: /metrics export failed.*socket hang up/ }]);
});

t.test('a delta of which the answer is lost is told again: it may count twice', async (t) => {
  const answer = answers((response) => response.destroy());
  const receiver = await otlpReceiver(t, { answer });
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_TIMEOUT: '100',
    ...OFTEN,
    ...DELTA,
  });
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 2 })), TABLE);
  t.ok(await until(() => receiver.pushes.length > 2));
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.strictSame(arrived(receiver, 'khan_connection'), [2, 2]);
});

t.test('while an answer is awaited nothing else is sent, and nothing is lost', async (t) => {
  let release: (() => void) | undefined;
  const answer = answers((response) => (release = () => response.end()));
  const receiver = await otlpReceiver(t, { answer });
  const { telemetry, producer, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    ...OFTEN,
    ...DELTA,
  });
  const series = new SeriesBuilder({ opened: 1 });
  await producer.publish(publicationOf(1_030_000, series), TABLE);
  // The reader gives a batch up after an interval, and comes with the next one.
  t.ok(await until(() => lines.some(({ msg }) => msg.includes('still under way'))));
  t.equal(receiver.pushes.length, 1);
  series.set(OPENED, 4);
  await producer.publish(publicationOf(1_060_000, series), TABLE);
  release?.();
  t.ok(await until(() => arrived(receiver, 'khan_connection').length > 1));
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.strictSame(arrived(receiver, 'khan_connection'), [1, 3]);
});

t.test('with delta temporality a request holds what is new, and no idle counter', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    ...OFTEN,
    ...DELTA,
  });
  const series = many(4000);
  await producer.publish(publicationOf(1_030_000, ...series), TABLE);
  t.ok(await until(() => arrived(receiver, 'khan_connection').length === 4000));
  await once(receiver.server, 'request');
  for (const at of [0, 3999]) series[at]!.set(OPENED, 2);
  const before = receiver.pushes.length;
  await producer.publish(publicationOf(1_060_000, ...series), TABLE);
  t.ok(await until(() => arrived(receiver, 'khan_connection').length === 4002));
  const holding = receiver.pushes
    .slice(before)
    .filter(({ metrics }) => metrics.has('khan_connection'));
  t.equal(holding.length, 1);
  await telemetry.shutdown({ timeoutMs: 5000 });
});

t.test(
  'lowmemory leaves connections cumulative, and makes deltas of synchronous counters',
  async (t) => {
    const receiver = await otlpReceiver(t);
    const { telemetry, producer } = await startedTelemetry(t, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'lowmemory',
    });
    await producer.publish(publicationOf(1_030_000, ...many(1)), TABLE);
    telemetry.meter.createCounter('khan_agent_test').add(1);
    await telemetry.shutdown({ timeoutMs: 5000 });
    const temporality = (name: string) =>
      receiver.pushes[0]?.metrics.get(name)?.sum?.aggregationTemporality;
    t.equal(temporality('khan_connection'), 2);
    t.equal(temporality('khan_agent_pushed_points'), 2);
    t.equal(temporality('khan_agent_test'), 1);
  },
);
