import { AggregationTemporality, AggregationType, DataPointType } from '@opentelemetry/sdk-metrics';
import t from 'tap';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { DeliveryExporter } from '../../src/telemetry/delivery-exporter.ts';
import { publicationOf, SeriesBuilder } from '../builders/series.ts';

type Export = DeliveryExporter['export'];
type Result = Parameters<Parameters<Export>[1]>[0];

/** A push exporter that does what it is told with the next request. */
function createExporter(...acts: Export[]) {
  const calls = { failed: 0, points: 0 };
  const exporter = new DeliveryExporter({
    exporter: {
      export: (metrics, done) => acts.shift()!(metrics, done),
      selectAggregation: () => ({ type: AggregationType.DEFAULT }),
      selectAggregationTemporality: () => AggregationTemporality.CUMULATIVE,
      forceFlush: async () => {},
      shutdown: async () => {},
    },
    isDelta: true,
    observer: {
      answered: (points) => (calls.points += points),
      failed: () => (calls.failed += 1),
    },
  });
  return { exporter, calls };
}

async function metricsOf(opened: number) {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const series = new SeriesBuilder({ opened });
  await producer.publish(publicationOf(1_030_000, series), { entries: 0, limit: undefined });
  return (await producer.collect()).resourceMetrics;
}

const accepted: Export = (_metrics, done) => done({ code: 0 });

t.test('a request that cannot even be encoded is not under way for ever', async (t) => {
  const { exporter, calls } = createExporter(() => {
    throw new Error('no such value');
  }, accepted);
  const metrics = await metricsOf(1);
  t.throws(() => exporter.export(metrics, () => {}), { message: 'no such value' });
  const results: Result[] = [];
  exporter.export(metrics, (result) => results.push(result));
  t.strictSame(results, [{ code: 0 }]);
  t.equal(calls.points, 2, 'one delta and the table');
});

t.test('what is refused because another request is under way is no failure of it', async (t) => {
  const held: Parameters<Export>[1][] = [];
  const { exporter, calls } = createExporter((_metrics, done) => void held.push(done), accepted);
  const metrics = await metricsOf(1);
  const results: Result[] = [];
  exporter.export(metrics, (result) => results.push(result));
  exporter.export(metrics, (result) => results.push(result));
  t.match(results, [{ code: 1, error: { message: /still under way/ } }]);
  held[0]!({ code: 0 });
  exporter.export(metrics, (result) => results.push(result));
  t.match(results.slice(1), [{ code: 0 }, { code: 0 }]);
  t.equal(calls.failed, 0);
  t.equal(calls.points, 3, 'the delta once, the table twice');
});

t.test('the batches of a new push are tried again after one without an answer', async (t) => {
  const error = new Error('gone');
  const { exporter, calls } = createExporter(
    (_metrics, done) => done({ code: 1, error }),
    accepted,
  );
  const metrics = await metricsOf(1);
  const results: Result[] = [];
  for (let batch = 0; batch < 3; batch++) exporter.export(metrics, (one) => results.push(one));
  t.strictSame(
    results,
    [0, 1, 2].map(() => ({ code: 1, error })),
  );
  t.equal(calls.failed, 1);
  exporter.beginPush();
  exporter.export(metrics, (one) => results.push(one));
  t.match(results.at(-1), { code: 0 });
});

t.test('durations are pushed as what came since the last push that was taken', async (t) => {
  const told: unknown[] = [];
  const answer = (code: 0 | 1): Export => {
    return ({ scopeMetrics }, done) => {
      const metrics = scopeMetrics.flatMap(({ metrics: all }) => all);
      for (const { dataPointType, dataPoints } of metrics) {
        if (dataPointType !== DataPointType.HISTOGRAM) continue;
        told.push(
          ...dataPoints.map(({ startTime, endTime, value }) => [startTime[0], endTime[0], value]),
        );
      }
      done(code === 0 ? { code } : { code, error: new Error('away') });
    };
  };
  const { exporter } = createExporter(answer(0), answer(1), answer(0), answer(0));
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const series = { labels: {}, startTimeMs: 0, counts: durationCounts(0) };
  for (const [at, count] of [0, 2, 5, 5].entries()) {
    series.counts = durationCounts(count);
    const publication = publicationOf((at + 1) * 1000);
    await producer.publish(
      { ...publication, durations: [series] },
      { entries: 0, limit: undefined },
    );
    exporter.beginPush();
    exporter.export((await producer.collect()).resourceMetrics, () => {});
  }
  t.match(
    told,
    [
      [0, 2, { count: 2, sum: 3 }],
      [0, 3, { count: 5, sum: 7.5, buckets: { counts: [5, 0] } }],
    ],
    'the first one failed, and nothing is told twice',
  );
});

function durationCounts(count: number) {
  return { buckets: [count, 0], count, sumSeconds: 1.5 * count };
}
