import { MeterProvider } from '@opentelemetry/sdk-metrics';
import t from 'tap';
import type { DurationSeries } from '../../src/connections/series.ts';
import { DURATION_LIMITS } from '../../src/connections/durations.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { DurationPoint } from '../../src/telemetry/duration-points.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { linesOf } from '../fakes/page-lines.ts';

const table = { entries: 0, limit: undefined };
const nothing = { series: [], gauges: [], ended: [] };

/** So many connections of 2 s each. */
function countsOf(count: number) {
  const buckets = DURATION_LIMITS.map(() => 0).concat(0);
  buckets[5] = count;
  return { buckets, count, sumSeconds: 2 * count };
}

const labels = { src_app: 'web', dst_app: 'api', primary: true };

t.test('durations are a histogram in seconds on the page', async (t) => {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
  const { log } = capturedLog();
  const page = new PrometheusPage({ producer, pollIntervalMs: () => 1000, log });
  const provider = new MeterProvider({ readers: [page.reader] });
  t.teardown(() => provider.shutdown());
  const durations = [{ labels, startTimeMs: 1000, counts: countsOf(3) }];
  await producer.publish({ ...nothing, takenAtMs: 2000, durations }, table);
  const text = await page.render();
  const which = 'src_app="web",dst_app="api",primary="true"';
  t.strictSame(linesOf(text, 'khan_connection_duration_seconds_count'), [
    `khan_connection_duration_seconds_count{${which}} 3`,
  ]);
  t.strictSame(linesOf(text, 'khan_connection_duration_seconds_sum'), [
    `khan_connection_duration_seconds_sum{${which}} 6`,
  ]);
  const buckets = linesOf(text, 'khan_connection_duration_seconds_bucket');
  t.equal(buckets.length, DURATION_LIMITS.length + 1);
  t.ok(buckets.includes(`khan_connection_duration_seconds_bucket{${which},le="1"} 0`));
  t.ok(buckets.includes(`khan_connection_duration_seconds_bucket{${which},le="5"} 3`));
});

t.test(
  'the point of a series is the same one, and a value that was handed over stays',
  async (t) => {
    const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
    const series: {
      -readonly [Key in keyof DurationSeries<typeof labels>]: DurationSeries<typeof labels>[Key];
    } = {
      labels,
      startTimeMs: 1000,
      counts: countsOf(1),
    };
    const pointAt = async (takenAtMs: number) => {
      await producer.publish({ ...nothing, takenAtMs, durations: [series] }, table);
      const { resourceMetrics } = await producer.collect();
      const metric = resourceMetrics.scopeMetrics[0]?.metrics[0];
      const [point] = metric?.dataPoints ?? [];
      if (!(point instanceof DurationPoint)) throw new Error('no point of durations');
      return { point, value: point.value, endTime: point.endTime };
    };
    const first = await pointAt(2000);
    const same = await pointAt(3000);
    t.equal(same.point, first.point);
    t.equal(same.value, first.value);
    t.strictSame(same.endTime, [3, 0]);
    series.counts = countsOf(2);
    const more = await pointAt(4000);
    t.equal(more.point, first.point);
    t.equal(more.value.count, 2);
    t.equal(first.value.count, 1);
  },
);

t.test('where nothing is known there is no such metric', async (t) => {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
  await producer.publish({ ...nothing, takenAtMs: 2000, durations: [] }, table);
  const { resourceMetrics } = await producer.collect();
  const names = resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
    metrics.map(({ descriptor }) => descriptor.name),
  );
  t.strictSame(names, ['khan_conntrack_entries']);
});
