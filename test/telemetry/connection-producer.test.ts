import t from 'tap';
import {
  AggregationTemporality,
  type DataPoint,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import type { PointSeries } from '../../src/telemetry/connection-point.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { activeIn, OPENED } from '../../src/connections/measure.ts';

const TABLE = { entries: 7, limit: 262_144 };

function createProducer(): ConnectionProducer {
  return new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
}

async function collect(producer: ConnectionProducer): Promise<ReadonlyMap<string, MetricData>> {
  const { resourceMetrics, errors } = await producer.collect();
  t.strictSame(errors, []);
  const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  return new Map(metrics.map((metric) => [metric.descriptor.name, metric]));
}

async function pointsOf(producer: ConnectionProducer, name: string): Promise<DataPoint<unknown>[]> {
  return (await collect(producer)).get(name)?.dataPoints ?? [];
}

t.test('before the first publication there is nothing', async (t) => {
  const { resourceMetrics } = await createProducer().collect();
  t.strictSame(resourceMetrics.scopeMetrics, []);
});

t.test(
  'a publication is five cumulative sums of integers with units and descriptions',
  async (t) => {
    const producer = createProducer();
    const series = new SeriesBuilder({ opened: 3, closed: 1, active: { ESTABLISHED: 2 } });
    await producer.publish(publicationOf(1_030_500, series), TABLE);
    const { resourceMetrics } = await producer.collect();
    t.strictSame(
      resourceMetrics.scopeMetrics.map(({ scope }) => scope),
      [{ name: 'khan', version: '0.1.0' }],
    );
    const metrics = await collect(producer);
    t.strictSame(
      [...metrics.values()].map((metric) => [
        metric.descriptor.name,
        metric.descriptor.unit,
        'isMonotonic' in metric && metric.isMonotonic,
        metric.dataPoints.map(({ value }) => value),
      ]),
      [
        ['khan_connection', '{connection}', true, [3]],
        ['khan_connection_closed', '{connection}', true, [1]],
        ['khan_connection_active', '{connection}', false, [2]],
        ['khan_conntrack_entries', '{entry}', false, [7]],
        ['khan_conntrack_limit', '{entry}', false, [262_144]],
      ],
    );
    for (const { aggregationTemporality, descriptor } of metrics.values()) {
      t.equal(aggregationTemporality, AggregationTemporality.CUMULATIVE);
      t.equal(descriptor.valueType, 0, 'INT');
      t.ok(descriptor.description);
    }
  },
);

t.test('a point starts with its series and ends with the snapshot', async (t) => {
  const producer = createProducer();
  const series = new SeriesBuilder({ startTimeMs: 1_000_250, opened: 1 });
  await producer.publish(publicationOf(1_030_500, series), TABLE);
  const [point] = await pointsOf(producer, 'khan_connection');
  t.strictSame(point?.startTime, [1000, 250_000_000]);
  t.strictSame(point?.endTime, [1030, 500_000_000]);
});

t.test('khan_connection_active has one point a state, states at 0 among them', async (t) => {
  const producer = createProducer();
  const labels = { node: 'node-a', primary: true };
  const series = new SeriesBuilder({ labels, active: { ESTABLISHED: 2, TIME_WAIT: 0 } });
  await producer.publish(publicationOf(1_030_000, series), TABLE);
  t.strictSame(
    (await pointsOf(producer, 'khan_connection_active')).map(({ attributes, value }) => [
      attributes,
      value,
    ]),
    [
      [{ node: 'node-a', primary: true, state: 'ESTABLISHED' }, 2],
      [{ node: 'node-a', primary: true, state: 'TIME_WAIT' }, 0],
    ],
  );
});

t.test(
  'a series keeps its points and its attributes from publication to publication',
  async (t) => {
    const producer = createProducer();
    const series = new SeriesBuilder({ opened: 1, active: { ESTABLISHED: 1 } });
    await producer.publish(publicationOf(1_030_000, series), TABLE);
    const before = await collect(producer);
    series.set(OPENED, 5);
    series.set(activeIn('TIME_WAIT'), 4);
    await producer.publish(publicationOf(1_060_000, series), TABLE);
    const after = await collect(producer);
    const opened = after.get('khan_connection')?.dataPoints[0];
    t.equal(opened, before.get('khan_connection')?.dataPoints[0]);
    t.equal(opened?.value, 5);
    t.strictSame(opened?.endTime, [1060, 0]);
    t.equal(opened?.attributes, series.labels);
    t.equal(after.get('khan_connection_closed')?.dataPoints[0]?.attributes, series.labels);
    t.equal(
      before.get('khan_connection_active')?.dataPoints.length,
      1,
      'a push goes on with its own',
    );
    t.equal(after.get('khan_connection_active')?.dataPoints.length, 2);
  },
);

t.test('an ended series is gone, and one that returns starts anew', async (t) => {
  const producer = createProducer();
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 7 })), TABLE);
  await producer.publish(publicationOf(1_060_000), TABLE);
  t.notOk((await collect(producer)).has('khan_connection'), 'no metric without a point');
  const returned = new SeriesBuilder({ startTimeMs: 1_060_000, opened: 1 });
  await producer.publish(publicationOf(1_090_000, returned), TABLE);
  const [point] = await pointsOf(producer, 'khan_connection');
  t.strictSame(point?.startTime, [1060, 0]);
  t.equal(point?.value, 1);
});

t.test('the table is told for the node, its limit only when it is known', async (t) => {
  const producer = createProducer();
  await producer.publish(publicationOf(1_030_000), { entries: 0, limit: undefined });
  await producer.publish(publicationOf(1_060_000), { entries: 3, limit: undefined });
  t.notOk((await collect(producer)).has('khan_conntrack_limit'));
  t.strictSame(await pointsOf(producer, 'khan_conntrack_entries'), [
    { attributes: { node: 'node-a' }, startTime: [1030, 0], endTime: [1060, 0], value: 3 },
  ]);
});

t.test(
  'a publication waits for a collection that is under way, and changes none of it',
  async (t) => {
    const producer = createProducer();
    const ended: PointSeries[] = [];
    producer.keepEnded({ add: (points) => ended.push(points) });
    const many = Array.from({ length: 3000 }, () => new SeriesBuilder({ opened: 1 }));
    await producer.publish(publicationOf(1_030_000, ...many), TABLE);
    const collecting = pointsOf(producer, 'khan_connection');
    for (const series of many) series.set(OPENED, 5);
    const [last] = many.splice(-1);
    const publication = { ...publicationOf(1_060_000, ...many), ended: [last!] };
    const publishing = producer.publish(publication, TABLE);
    t.equal(producer.takenAtMs, 1_030_000);

    const before = await collecting;
    t.strictSame([before.length, new Set(before.map(({ value }) => value))], [3000, new Set([1])]);
    t.strictSame(new Set(before.map(({ endTime }) => endTime[0])), new Set([1030]));

    await publishing;
    t.equal(producer.takenAtMs, 1_060_000);
    t.match(ended, [{ points: [{ value: 5, endTime: [1060, 0] }, { value: 0 }] }]);
    const after = await pointsOf(producer, 'khan_connection');
    t.strictSame([after.length, new Set(after.map(({ value }) => value))], [2999, new Set([5])]);
  },
);

t.test(
  'others have their turn while a publication is prepared, and while it is collected',
  async (t) => {
    const producer = createProducer();
    producer.keepEnded({ add: () => {} });
    const many = Array.from({ length: 5000 }, () => new SeriesBuilder({ opened: 1 }));
    const publication = publicationOf(1_030_000, ...many);
    t.equal([...producer.prepare(publication)].length, 11, 'one, and two for each thousand series');
    await producer.publish(publication, TABLE);
    let turns = 0;
    const others = setInterval(() => turns++, 0);
    const points = await pointsOf(producer, 'khan_connection_closed');
    clearInterval(others);
    t.equal(points.length, 5000);
    t.ok(turns > 0);
  },
);
