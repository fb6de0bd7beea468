import t, { type Test } from 'tap';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { until } from '../demo/until.ts';
import { otlpReceiver, plain, type OtlpMetric } from '../fakes/otlp-receiver.ts';
import { OPENED } from '../../src/connections/measure.ts';

const TABLE = { entries: 7, limit: 262_144 };
const LABELS = {
  node: 'node-a',
  src_type: 'pod',
  src_ip: '10.1.0.11',
  src_ns: 'shop',
  src_app: 'web',
  src_name: 'web-1',
  dst_ip: '203.0.113.7',
  dst_port: 443,
  transport: 'tcp',
  primary: true,
};
const STANDARD_LABELS = {
  'khan.source.type': 'pod',
  'source.address': '10.1.0.11',
  'khan.source.k8s.namespace.name': 'shop',
  'khan.source.app': 'web',
  'khan.source.name': 'web-1',
  'destination.address': '203.0.113.7',
  'destination.port': 443,
  'network.transport': 'tcp',
  'khan.primary': true,
};

async function standardTelemetry(t: Test, variables: Readonly<Record<string, string>> = {}) {
  const receiver = await otlpReceiver(t);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, ...variables };
  return { receiver, ...(await startedTelemetry(t, env, { otlpNames: 'standard' })) };
}

function points(metric: OtlpMetric | undefined) {
  return metric?.sum?.dataPoints.map(({ attributes, asInt, timeUnixNano }) => {
    return { ...plain(attributes), value: Number(asInt), timeUnixNano };
  });
}

for (const protocol of ['http/json', 'http/protobuf']) {
  t.test(`${protocol}: connections are told by standard names, all else as it was`, async (t) => {
    const { receiver, telemetry, producer } = await standardTelemetry(t, {
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    });
    const active = { ESTABLISHED: 2, SYN_RECV: 1 };
    const series = new SeriesBuilder({ labels: LABELS, opened: 5, closed: 3, active });
    await producer.publish(publicationOf(1_030_000, series), TABLE);
    await telemetry.shutdown({ timeoutMs: 5000 });
    const [push] = receiver.pushes;
    const timeUnixNano = '1030000000000';
    t.match(push?.resource, { 'k8s.node.name': 'node-a' }, 'where node has gone');
    t.strictSame(points(push?.metrics.get('khan.connection.opened')), [
      { ...STANDARD_LABELS, value: 5, timeUnixNano },
    ]);
    t.strictSame(points(push?.metrics.get('khan.connection.closed')), [
      { ...STANDARD_LABELS, value: 3, timeUnixNano },
    ]);
    t.strictSame(points(push?.metrics.get('khan.connection.active')), [
      { ...STANDARD_LABELS, 'network.connection.state': 'established', value: 2, timeUnixNano },
      { ...STANDARD_LABELS, 'network.connection.state': 'syn_received', value: 1, timeUnixNano },
    ]);
    t.match(push?.metrics.get('khan.connection.opened'), {
      unit: '{connection}',
      sum: { aggregationTemporality: 2, isMonotonic: true },
    });
    t.strictSame(points(push?.metrics.get('khan.conntrack.limit')), [
      { value: 262_144, timeUnixNano },
    ]);
  });
}

t.test('no name of khan is left in a push, and the Prometheus page has no other', async (t) => {
  const { receiver, telemetry, producer, page } = await standardTelemetry(t, {
    OTEL_METRICS_EXPORTER: 'otlp,prometheus',
    OTEL_METRIC_EXPORT_INTERVAL: '50',
  });
  telemetry.meter.createHistogram('khan_agent_cycle_duration', { unit: 's' }).record(0.5);
  telemetry.meter.createObservableGauge('khan_mapping_age').addCallback((age) => age.observe(1));
  const series = new SeriesBuilder({ labels: LABELS, opened: 5, active: { ESTABLISHED: 2 } });
  await producer.publish(publicationOf(1_030_000, series), TABLE);
  t.ok(await until(() => receiver.pushes.length > 2));
  const text = await page.render();
  await telemetry.shutdown({ timeoutMs: 5000 });
  const names = new Set(receiver.pushes.flatMap(({ metrics }) => [...metrics.keys()]));
  t.ok(names.has('khan.agent.cycle_duration') && names.has('khan.mapping.age'));
  t.strictSame(
    [...names].filter((name) => name.includes('khan_')),
    [],
  );
  t.match(text, /^khan_connection_active\{node="node-a",src_type="pod".*state="ESTABLISHED"\} 2$/m);
  t.match(text, /^khan_agent_cycle_duration_seconds_count 1$/m);
  t.notMatch(text, /source_address|network_transport/);
});

t.test('deltas by standard names add up as any others', async (t) => {
  const { receiver, telemetry, producer } = await standardTelemetry(t, {
    OTEL_METRIC_EXPORT_INTERVAL: '50',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
  });
  const told = () =>
    receiver.pushes.flatMap(({ metrics }) => points(metrics.get('khan.connection.opened')) ?? []);
  const series = new SeriesBuilder({ labels: LABELS, opened: 3 });
  await producer.publish(publicationOf(1_030_000, series), TABLE);
  t.ok(await until(() => told().length === 1));
  series.set(OPENED, 5);
  await producer.publish(publicationOf(1_060_000, series), TABLE);
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.match(told(), [
    { ...STANDARD_LABELS, value: 3 },
    { ...STANDARD_LABELS, value: 2 },
  ]);
  t.equal(told().length, 2);
});
