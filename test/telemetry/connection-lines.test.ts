import { setImmediate as pause } from 'node:timers/promises';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { emptyResource } from '@opentelemetry/resources';
import type { SumMetricData } from '@opentelemetry/sdk-metrics';
import * as fc from 'fast-check';
import t from 'tap';
import { ChunkPool } from '../../src/telemetry/chunk-pool.ts';
import { encodeFamilies } from '../../src/telemetry/connection-lines.ts';
import { metricOf } from '../../src/telemetry/connection-metrics.ts';
import { ConnectionPoint } from '../../src/telemetry/connection-point.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { metadataOf } from '../../src/telemetry/exposition.ts';
import { LabelParts } from '../../src/telemetry/label-parts.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { CLOSED, OPENED } from '../../src/connections/measure.ts';

const NAMES = ['node', 'src_ip', 'src_app', 'dst_ip', 'dst_port', 'transport', 'primary'];
const NAMES_OF_GROUPS = ['backend_ip', 'src_workload_name', 'dst_zone', 'otel.metric.overflow'];

const anyValue = fc.oneof(
  fc.constantFrom('10.1.0.11', 'web', 'a"b', 'c\\d', 'e\nf', '', 'ü-😀'),
  fc.string({ maxLength: 8 }),
  fc.nat(65_535),
  fc.boolean(),
);
const anySeries = fc.record({
  labels: fc
    .uniqueArray(fc.tuple(fc.constantFrom(...NAMES, ...NAMES_OF_GROUPS), anyValue), {
      selector: ([name]) => name,
      maxLength: 11,
    })
    .map((pairs) => Object.fromEntries(pairs)),
  opened: fc.oneof(fc.nat(20), fc.maxSafeNat()),
  closed: fc.nat(20),
  active: fc.dictionary(fc.constantFrom('ESTABLISHED', 'TIME_WAIT', 'OFFLOAD'), fc.nat(9)),
});

/** The agent's producer, as of a publication of these series. */
async function producerOf(series: readonly SeriesBuilder[]): Promise<ConnectionProducer> {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
  await producer.publish(publicationOf(30_000, ...series), { entries: 0, limit: undefined });
  return producer;
}

async function connectionsOf(producer: ConnectionProducer): Promise<readonly SumMetricData[]> {
  const { resourceMetrics } = await producer.collect();
  const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  return metrics.filter(
    (metric): metric is SumMetricData =>
      'isMonotonic' in metric && metric.dataPoints[0] instanceof ConnectionPoint,
  );
}

async function stockPage(producer: ConnectionProducer): Promise<string> {
  const metrics = await connectionsOf(producer);
  if (metrics.length === 0) return '';
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const plain = metrics.map(({ descriptor, ...rest }) => {
    return { ...rest, descriptor: { ...descriptor, unit: '' } };
  });
  const scopeMetrics = [{ scope: { name: 'khan' }, metrics: plain }];
  return serializer.serialize({ resource: emptyResource(), scopeMetrics });
}

async function page(
  { columns: all }: ConnectionProducer,
  labels: LabelParts,
  hasCreated = false,
): Promise<string> {
  const families = all
    .filter(({ rows }) => rows > 0)
    .map((columns) => {
      const metric = metricOf(columns.signal, []);
      const { name, description: help } = metric.descriptor;
      const isMonotonic = 'isMonotonic' in metric && metric.isMonotonic;
      const type = isMonotonic ? 'counter' : 'gauge';
      return {
        metadata: metadataOf({ name, help, type }, 'text'),
        sampleName: isMonotonic ? `${name}_total` : name,
        columns,
        valueOf: (row: number) => columns.values[row]!,
        createdName: hasCreated && isMonotonic ? `${name}_created` : undefined,
      };
    });
  const pieces: Uint8Array[] = [];
  for (const piece of encodeFamilies(families, { labels, pool: new ChunkPool() })) {
    pieces.push(piece);
    await pause();
  }
  return Buffer.concat(pieces).toString();
}

t.test('whatever the attributes are, the page is what the stock serialiser writes', async (t) => {
  const labels = new LabelParts();
  await fc.assert(
    fc.asyncProperty(fc.array(anySeries, { maxLength: 6 }), async (states) => {
      const producer = await producerOf(states.map((state) => new SeriesBuilder(state)));
      const expected = await stockPage(producer);
      if ((await page(producer, labels)) !== expected) {
        throw new Error(`${await page(producer, labels)}\nis not\n${expected}`);
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('so it is with more bytes than a chunk', async (t) => {
  const series = Array.from({ length: 30_000 }, (_, at) => {
    const labels = { src_ip: `10.1.${at >> 8}.${at & 255}`, dst_name: 'x'.repeat(at % 50) };
    return new SeriesBuilder({ labels, opened: at, active: { ESTABLISHED: at } });
  });
  const producer = await producerOf(series);
  t.ok((await page(producer, new LabelParts())) === (await stockPage(producer)));
});

t.test('a label longer than a chunk is not cut', async (t) => {
  const labels = { node: 'n'.repeat(300_000), primary: true };
  const producer = await producerOf([new SeriesBuilder({ labels, opened: 1 })]);
  t.ok((await page(producer, new LabelParts())) === (await stockPage(producer)));
});

t.test('each counter may be followed by the time since when it counts', async (t) => {
  const labels = { node: 'node-a', primary: true };
  const series = new SeriesBuilder({
    labels,
    startTimeMs: 1_790_000_000_042,
    opened: 7,
    active: { ESTABLISHED: 1 },
  });
  const lines = (await page(await producerOf([series]), new LabelParts(), true)).split('\n');
  t.strictSame(
    lines.filter((line) => line !== '' && !line.startsWith('#')),
    [
      'khan_connection_total{node="node-a",primary="true"} 7',
      'khan_connection_created{node="node-a",primary="true"} 1790000000.042',
      'khan_connection_closed_total{node="node-a",primary="true"} 0',
      'khan_connection_closed_created{node="node-a",primary="true"} 1790000000.042',
      'khan_connection_active{node="node-a",primary="true",state="ESTABLISHED"} 1',
    ],
  );
});

t.test('a page shows one snapshot, though another is published while it is made', async (t) => {
  const series = Array.from(
    { length: 50_000 },
    (_, at) => new SeriesBuilder({ labels: { src_ip: `${at}` }, opened: 1, closed: 1 }),
  );
  const producer = await producerOf(series);
  const making = page(producer, new LabelParts());
  for (const one of series) {
    one.set(OPENED, 2);
    one.set(CLOSED, 2);
  }
  await producer.publish(publicationOf(60_000, ...series), { entries: 0, limit: undefined });
  const values = (await making).matchAll(/\} (?<value>\d+)$/gm);
  t.strictSame(new Set(Array.from(values, ({ groups }) => groups?.['value'])), new Set(['1']));
});
