import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import t from 'tap';
import type { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { otlpReceiver, plain, type OtlpMetric } from '../fakes/otlp-receiver.ts';

const TABLE = { entries: 7, limit: 262_144 };

function countCollections(producer: ConnectionProducer): { readonly times: number } {
  const collections = { times: 0 };
  const collect = producer.collect.bind(producer);
  producer.collect = async () => {
    collections.times += 1;
    return collect();
  };
  return collections;
}

function pointsOf(metric: OtlpMetric | undefined) {
  return metric?.sum?.dataPoints.map((point) => ({
    ...point,
    attributes: plain(point.attributes),
  }));
}

t.test('a push carries resource, names, units, start times and typed attributes', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.cluster.name=blue',
  });
  const labels = { node: 'node-a', src_ip: '10.1.0.1', dst_port: 443, primary: true };
  const series = new SeriesBuilder({
    labels,
    startTimeMs: 1_000_250,
    publishedAtMs: 1_030_500,
    opened: 3,
    closed: 1,
    active: { ESTABLISHED: 2 },
  });
  await producer.publish(publicationOf(1_030_500, series), TABLE);
  telemetry.meter.createCounter('khan_agent_test').add(1);
  await telemetry.shutdown({ timeoutMs: 5000 });

  const [push] = receiver.pushes;
  t.equal(receiver.pushes.length, 1);
  t.match(push, {
    path: '/v1/metrics',
    contentType: 'application/json',
    contentEncoding: 'gzip',
    resource: {
      'service.name': 'khan-agent',
      'service.version': '0.1.0',
      'service.instance.id': /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
      'k8s.node.name': 'node-a',
      'k8s.cluster.name': 'blue',
      'host.name': String,
      'telemetry.sdk.name': 'opentelemetry',
    },
  });
  const metrics = push?.metrics;
  t.strictSame(
    [...(metrics?.keys() ?? [])],
    [
      'khan_agent_push_requests',
      'khan_agent_pushed_points',
      'khan_agent_waiting_series',
      'khan_agent_lost_series',
      'khan_agent_test',
      'khan_connection',
      'khan_connection_closed',
      'khan_connection_active',
      'khan_conntrack_entries',
      'khan_conntrack_limit',
    ],
  );
  t.match(metrics?.get('khan_connection'), {
    unit: '{connection}',
    description: /^Connections opened/,
    sum: { aggregationTemporality: 2, isMonotonic: true },
  });
  // The value is not held: OTLP has start times.
  t.strictSame(pointsOf(metrics?.get('khan_connection')), [
    {
      attributes: labels,
      startTimeUnixNano: '1000250000000',
      timeUnixNano: '1030500000000',
      asInt: 3,
    },
  ]);
  t.equal(metrics?.get('khan_connection_active')?.sum?.isMonotonic, false);
  t.match(pointsOf(metrics?.get('khan_connection_active')), [
    { attributes: { ...labels, state: 'ESTABLISHED' }, asInt: 2 },
  ]);
  t.match(pointsOf(metrics?.get('khan_conntrack_limit')), [{ asInt: 262_144 }]);
});

t.test('an ended series leaves the push, one that returns has a new start time', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_METRIC_EXPORT_INTERVAL: '20',
  });
  const pushedAt = async (takenAtMs: number): Promise<OtlpMetric | undefined> => {
    for (;;) {
      const push = receiver.pushes.at(-1);
      const [entries] = pointsOf(push?.metrics.get('khan_conntrack_entries')) ?? [];
      if (entries?.timeUnixNano === `${takenAtMs}000000`)
        return push?.metrics.get('khan_connection');
      await new Promise(setImmediate);
    }
  };
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 7 })), TABLE);
  t.match(pointsOf(await pushedAt(1_030_000)), [{ startTimeUnixNano: '1000000000000', asInt: 7 }]);
  await producer.publish(publicationOf(1_060_000), TABLE);
  t.equal(await pushedAt(1_060_000), undefined);
  const returned = new SeriesBuilder({ startTimeMs: 1_060_000, opened: 1 });
  await producer.publish(publicationOf(1_090_000, returned), TABLE);
  t.match(pointsOf(await pushedAt(1_090_000)), [{ startTimeUnixNano: '1060000000000', asInt: 1 }]);
  await telemetry.shutdown({ timeoutMs: 5000 });
});

t.test('many series are pushed in batches, each point once', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, producer } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  });
  const many = Array.from({ length: 3000 }, (_, number) => {
    return new SeriesBuilder({ labels: { dst_port: number }, opened: 1 });
  });
  await producer.publish(publicationOf(1_030_000, ...many), TABLE);
  await telemetry.shutdown({ timeoutMs: 5000 });
  const sizes = receiver.pushes.map(({ metrics }) =>
    [...metrics.values()].reduce((sum, metric) => sum + (metric.sum?.dataPoints.length ?? 0), 0),
  );
  t.strictSame(sizes, [1000, 1000, 1000, 1000, 1000, 1000, 8]);
  const ports = receiver.pushes.flatMap(
    ({ metrics }) => pointsOf(metrics.get('khan_connection')) ?? [],
  );
  t.equal(new Set(ports.map(({ attributes }) => attributes['dst_port'])).size, 3000);
});

t.test('OTEL_SERVICE_NAME wins over all, the page says so too', async (t) => {
  const { telemetry, page } = await startedTelemetry(t, {
    OTEL_SERVICE_NAME: 'my-khan',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,host.name=my-host',
  });
  const text = await page.render();
  t.match(text, 'service_name="my-khan"');
  t.match(text, 'host_name="my-host"');
  await telemetry.shutdown({ timeoutMs: 5000 });
});

t.test('resource attributes that cannot be read are left out and said', async (t) => {
  const { telemetry, lines } = await startedTelemetry(t, { OTEL_RESOURCE_ATTRIBUTES: 'cluster' });
  t.match(lines, [{ level: 40, msg: /OTEL_RESOURCE_ATTRIBUTES/ }]);
  await telemetry.shutdown({ timeoutMs: 5000 });
});

t.test('a collector that refuses does not disturb the page, and is said once', async (t) => {
  const server = createServer();
  const port = await listenOnLoopback(t, server);
  server.close();
  await once(server, 'close');
  const { telemetry, producer, page, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '20',
    OTEL_METRIC_EXPORT_INTERVAL: '40',
  });
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 3 })), TABLE);
  const pushed = countCollections(producer);
  while (pushed.times < 5) await new Promise(setImmediate);
  t.match(await page.render(), /^khan_connection_total\{.*\} 3$/m);
  await telemetry.shutdown({ timeoutMs: 5000 });
  const messages = lines.map(({ msg }) => msg);
  t.ok(messages.some((message) => message.includes('ECONNREFUSED')));
  t.equal(messages.length, new Set(messages).size);
});

t.test('a collector that never answers disturbs neither page nor shutdown', async (t) => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined).resume());
  });
  const port = await listenOnLoopback(t, server);
  t.teardown(() => sockets.forEach((socket) => socket.destroy()));
  const { telemetry, producer, page, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
  });
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 3 })), TABLE);
  while (sockets.length === 0) await new Promise(setImmediate);
  t.match(await page.render(), /^khan_connection_total\{.*\} 3$/m);
  await telemetry.shutdown({ timeoutMs: 50 });
  t.match(lines.at(-1), { level: 40, msg: 'Cannot push the last metrics within 50 ms' });
});

t.test('OTEL_SDK_DISABLED exports nothing and says so', async (t) => {
  const { telemetry, page, lines } = await startedTelemetry(t, { OTEL_SDK_DISABLED: 'true' });
  t.match(lines, [{ level: 40, msg: /OTEL_SDK_DISABLED/ }]);
  telemetry.meter.createCounter('khan_agent_test').add(1);
  await t.rejects(page.render());
  await telemetry.shutdown({ timeoutMs: 5000 });
});
