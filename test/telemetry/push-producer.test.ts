import t from 'tap';
import { DataPointType } from '@opentelemetry/sdk-metrics';
import { overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionPoint } from '../../src/telemetry/connection-point.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { PushProducer } from '../../src/telemetry/push-producer.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';

const TABLE = { entries: 7, limit: 262_144 };

function createProducers() {
  const connections = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const request = { isUnderWay: false };
  const push = new PushProducer({
    connections,
    isDelta: false,
    describeOverflow: (primary) => overflowAttributes('node-a', primary),
    isRequestUnderWay: () => request.isUnderWay,
  });
  return { connections, push, request };
}

/** [port, start in seconds, value] of each point. */
async function pointsOf(push: PushProducer, name: string) {
  const { resourceMetrics } = await push.collect();
  const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  const metric = metrics.find(({ descriptor }) => descriptor.name === name);
  const points = metric?.dataPointType === DataPointType.SUM ? metric.dataPoints : [];
  return points.map(({ attributes, startTime, value }) => [
    attributes['dst_port'],
    startTime[0],
    value,
  ]);
}

async function overflowPointOf(push: PushProducer): Promise<ConnectionPoint> {
  const { resourceMetrics } = await push.collect();
  const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
  const [opened] = metrics.filter(({ descriptor }) => descriptor.name === 'khan_connection');
  const point = opened?.dataPoints.at(-1);
  if (!(point instanceof ConnectionPoint)) throw new Error('there is no such point');
  return point;
}

function seriesOf(port: number, startTimeMs: number, opened: number): SeriesBuilder {
  return new SeriesBuilder({ labels: { dst_port: port }, startTimeMs, opened });
}

t.test(
  'a series that has ended stays until it is delivered, before the one that returns',
  async (t) => {
    const { connections, push } = createProducers();
    const first = seriesOf(80, 1_000_000, 3);
    await connections.publish(publicationOf(1_030_000, first), TABLE);
    await connections.publish({ ...publicationOf(1_060_000), ended: [first] }, TABLE);
    t.strictSame(await pointsOf(push, 'khan_connection'), [[80, 1000, 3]]);
    await connections.publish(publicationOf(1_090_000, seriesOf(80, 1_060_000, 1)), TABLE);
    t.strictSame(await pointsOf(push, 'khan_connection'), [
      [80, 1000, 3],
      [80, 1060, 1],
    ]);
    t.strictSame(await pointsOf(push, 'khan_connection_closed'), [[80, 1060, 0]]);
    t.equal(push.waitingSeries, 1);
  },
);

t.test('the page shows no series that has ended', async (t) => {
  const { connections } = createProducers();
  const series = seriesOf(80, 1_000_000, 3);
  await connections.publish(publicationOf(1_030_000, series), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: [series] }, TABLE);
  const { resourceMetrics } = await connections.collect();
  const names = resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
    metrics.map(({ descriptor }) => descriptor.name),
  );
  t.strictSame(names, ['khan_conntrack_entries', 'khan_conntrack_limit']);
});

t.test('when too many have ended undelivered, the oldest are told as overflow', async (t) => {
  const { connections, push } = createProducers();
  const many = Array.from({ length: 20_003 }, (_, port) => seriesOf(port, 1_000_000, 2));
  const overflow = new SeriesBuilder({
    labels: overflowAttributes('node-a', false),
    startTimeMs: 900_000,
    opened: 10,
  });
  await connections.publish(publicationOf(1_030_000, ...many), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: many }, TABLE);
  const alone = await pointsOf(push, 'khan_connection');
  t.strictSame(
    [alone.length, alone[0], alone.at(-1)],
    [20_001, [3, 1000, 2], [undefined, 1000, 6]],
  );
  t.equal(push.waitingSeries, 20_000);
  await connections.publish(publicationOf(1_090_000, overflow), TABLE);
  const together = await pointsOf(push, 'khan_connection');
  t.strictSame([together.length, together.at(-1)], [20_001, [undefined, 1000, 16]]);
  t.equal(push.lostSeries, 0);
});

t.test('while a request is under way nothing is carried over: it may tell just that', async (t) => {
  const { connections, push, request } = createProducers();
  request.isUnderWay = true;
  const many = Array.from({ length: 20_003 }, (_, port) => seriesOf(port, 1_000_000, 2));
  await connections.publish(publicationOf(1_030_000, ...many), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: many }, TABLE);
  t.equal((await pointsOf(push, 'khan_connection')).length, 20_003);
});

t.test('of twice as many between two requests none is lost', async (t) => {
  const { connections, push } = createProducers();
  const many = Array.from({ length: 45_000 }, (_, port) => seriesOf(port, 1_000_000, 1));
  await connections.publish(publicationOf(1_030_000, ...many), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: many }, TABLE);
  t.equal(push.lostSeries, 0);
  const told = await pointsOf(push, 'khan_connection');
  t.equal(
    told.reduce((sum, [, , value]) => sum + Number(value), 0),
    45_000,
  );
  t.equal(push.waitingSeries, 20_000);
});

t.test('of twice as many during a request the oldest are given up and counted', async (t) => {
  const { connections, push, request } = createProducers();
  request.isUnderWay = true;
  const many = Array.from({ length: 40_001 }, (_, port) => seriesOf(port, 1_000_000, 1));
  await connections.publish(publicationOf(1_030_000, ...many), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: many }, TABLE);
  t.equal(push.waitingSeries, 39_001);
  t.equal(push.lostSeries, 1000);
});

t.test('those that are delivered are forgotten before any other', async (t) => {
  const { connections, push } = createProducers();
  const idle = Array.from({ length: 45_000 }, (_, port) => seriesOf(port, 1_000_000, 0));
  const busy = seriesOf(45_000, 1_000_000, 1);
  await connections.publish(publicationOf(1_030_000, busy, ...idle), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: [busy, ...idle] }, TABLE);
  t.equal(push.waitingSeries, 1, 'nobody else waits for anything');
  t.strictSame(await pointsOf(push, 'khan_connection'), [[45_000, 1000, 1]]);
  t.equal(push.lostSeries, 0);
});

t.test('what waits for a push waits for that of the next process too', async (t) => {
  const { connections, push } = createProducers();
  const [some, none] = [seriesOf(80, 1_000_000, 3), seriesOf(90, 1_000_000, 5)];
  await connections.publish(publicationOf(1_030_000, some, none), TABLE);
  await push.collect();
  const [point] = connections.pointsOf(some).points;
  point!.pushedValue = 2;
  point!.pushedUntil = [1030, 0];
  for (const { points } of [connections.pointsOf(none)]) {
    for (const one of points) one.pushedValue = one.value;
  }
  await connections.publish({ ...publicationOf(1_060_000), ended: [some, none] }, TABLE);
  const saved = JSON.parse(JSON.stringify([...push.save()]));
  t.equal(saved.length, 1, 'nothing of what was delivered');

  const next = createProducers();
  next.push.restore(saved);
  await next.connections.publish(publicationOf(1_090_000, seriesOf(70, 1_060_000, 1)), TABLE);
  t.strictSame(await pointsOf(next.push, 'khan_connection'), [
    [80, 1000, 3],
    [70, 1060, 1],
  ]);
  const [waiting] = next.push.save();
  t.strictSame(waiting, saved[0], 'with what was delivered of it, and until when');
  t.match(waiting, { counters: { opened: 3 }, delivered: { opened: [2, 1_030_000] } });
});

t.test('what is told as overflow goes on being told by the next process', async (t) => {
  const { connections, push } = createProducers();
  const many = Array.from({ length: 20_003 }, (_, port) => seriesOf(port, 1_000_000, 2));
  await connections.publish(publicationOf(1_030_000, ...many), TABLE);
  await connections.publish({ ...publicationOf(1_060_000), ended: many }, TABLE);
  t.strictSame((await pointsOf(push, 'khan_connection')).at(-1), [undefined, 1000, 6]);

  /** What a process tells that begins with what the last one has saved. */
  const next = async (of: PushProducer) => {
    const producers = createProducers();
    producers.push.restore(JSON.parse(JSON.stringify([...of.save()])));
    const overflow = new SeriesBuilder({
      labels: overflowAttributes('node-a', false),
      startTimeMs: 900_000,
      opened: 10,
    });
    await producers.connections.publish(publicationOf(1_090_000, overflow), TABLE);
    return producers.push;
  };
  const second = await next(push);
  const told = await pointsOf(second, 'khan_connection');
  t.strictSame([told.length, told.at(-1)], [20_001, [undefined, 900, 16]]);
  const point = await overflowPointOf(second);
  point.pushedValue = 14;
  point.pushedUntil = [1090, 0];
  const third = await next(second);
  t.match(await overflowPointOf(third), {
    value: 16,
    pushedValue: 14,
    pushedUntil: [1090, 0],
    startTime: [900, 0],
  });
});
