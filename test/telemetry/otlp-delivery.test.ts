import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { HrTime } from '@opentelemetry/api';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import * as fc from 'fast-check';
import t from 'tap';
import type { Series } from '../../src/connections/series.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { pushThrough } from '../../src/telemetry/otlp-reader.ts';
import { anyHistory, describeOverflow, play } from '../builders/ledger-history.ts';
import { countsOf } from '../builders/series.ts';

t.setTimeout(120_000);

type Done = Parameters<PushMetricExporter['export']>[1];

interface Told {
  readonly metric: string;
  readonly attributes: string;
  readonly isDelta: boolean;
  readonly start: number;
  readonly end: number;
  readonly value: number;
}

const ms = ([seconds, nanos]: HrTime) => seconds * 1000 + nanos / 1e6;

/** What a collector reads of a request: as of the moment in which it is encoded. */
function read({ scopeMetrics }: ResourceMetrics): Told[] {
  return scopeMetrics.flatMap(({ metrics }) =>
    metrics.flatMap((metric) =>
      metric.dataPoints.map(({ attributes, startTime, endTime, value }) => ({
        metric: metric.descriptor.name,
        attributes: JSON.stringify(attributes),
        isDelta: metric.aggregationTemporality === AggregationTemporality.DELTA,
        start: ms(startTime),
        end: ms(endTime),
        value: typeof value === 'number' ? value : value.count,
      })),
    ),
  );
}

/** A collector that answers when it is told to. */
class Collector implements Required<PushMetricExporter> {
  readonly told: Told[] = [];
  #request: { readonly points: Told[]; readonly done: Done } | undefined;

  export(metrics: ResourceMetrics, done: Done): void {
    assert.equal(this.#request, undefined, 'one request at a time');
    this.#request = { points: read(metrics), done };
  }

  get isAsked(): boolean {
    return this.#request !== undefined;
  }

  answer(answer: 'accepted' | 'refused' | 'unreachable'): void {
    const request = this.#request;
    if (request === undefined) return;
    this.#request = undefined;
    if (answer === 'accepted') this.told.push(...request.points);
    const error = Object.assign(new Error(answer), answer === 'refused' && { code: 400 });
    request.done(answer === 'accepted' ? { code: 0 } : { code: 1, error });
  }

  selectAggregation() {
    return { type: AggregationType.DEFAULT } as const;
  }

  selectAggregationTemporality() {
    return AggregationTemporality.CUMULATIVE;
  }

  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

const anyAct = fc.constantFrom('push', 'accepted', 'accepted', 'refused', 'unreachable');
const anyActs = fc.array(fc.array(anyAct, { maxLength: 6 }), { minLength: 25, maxLength: 25 });

interface Way {
  readonly isDelta: boolean;
  /** Ended series that may wait. */
  readonly carriedAbove?: number;
}

/** Pushes the history of a real ledger, as far as the acts go, and at last everything. */
async function push(
  steps: Parameters<typeof play>[0],
  acts: readonly string[][],
  { isDelta, carriedAbove = 1000 }: Way,
) {
  const collector = new Collector();
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
  const { reader } = pushThrough(collector, {
    connections: producer,
    isDelta,
    describeOverflow,
    limits: { carriedAbove, lostAbove: 1000 },
    exportIntervalMs: 2 ** 30,
    exportTimeoutMs: 2 ** 30,
    batchPointsMax: 3,
  });
  const meter = new MeterProvider({ readers: [reader] }).getMeter('khan');
  const cycles = meter.createCounter('cycles');
  const durations = meter.createHistogram('durations');
  const pushes = { underWay: 0 };
  const begin = () => {
    if (pushes.underWay > 0) return;
    pushes.underWay += 1;
    void reader.forceFlush().finally(() => (pushes.underWay -= 1));
  };

  const all = new Set<Series<object>>();
  const rows: { opened: number; closed: number }[] = [];
  let step = 0;
  for (const told of play(steps, { seriesMax: 3 })) {
    const { takenAtMs, series, ended } = told;
    for (const one of series) all.add(one);
    rows.push(...told.rows);
    const publication = { takenAtMs, series, gauges: [], durations: [], ended };
    // @ts-expect-error -- labels of this ledger are attributes by another name
    await producer.publish(publication, { entries: 0, limit: undefined });
    cycles.add(1);
    durations.record(step);
    for (const act of acts[step++] ?? []) {
      if (act === 'push') begin();
      else if (act === 'accepted' || act === 'refused' || act === 'unreachable')
        collector.answer(act);
      await turn();
      await turn();
    }
  }
  for (let last = 0; last < 2; last++) {
    begin();
    while (pushes.underWay > 0) {
      collector.answer('accepted');
      await turn();
    }
  }
  return { told: collector.told, all, rows, steps: step };
}

type Pushed = Awaited<ReturnType<typeof push>>;

async function assertAlways(way: Way, check: (pushed: Pushed) => void): Promise<void> {
  const property = fc.asyncProperty(anyHistory, anyActs, async (steps, acts) => {
    check(await push(steps, acts, way));
  });
  await fc.assert(property, { numRuns: 500 });
}

const keyOf = ({ labels }: Series<object>) => JSON.stringify(labels);

function sums<T>(items: Iterable<T>, keyed: (item: T) => readonly [string, number]): object {
  const totals: Record<string, number> = {};
  for (const item of items) {
    const [key, value] = keyed(item);
    if (value !== 0) totals[key] = (totals[key] ?? 0) + value;
  }
  return totals;
}

const METRICS = [
  ['khan_connection', 'opened'],
  ['khan_connection_closed', 'closed'],
] as const;

t.test('deltas add up to the truth for each attribute set, whatever fails or ends', async (t) => {
  await assertAlways({ isDelta: true }, ({ told, all, rows }) => {
    for (const [metric, field] of METRICS) {
      const points = told.filter((point) => point.metric === metric);
      for (const { value, isDelta } of points) assert.ok(isDelta && value > 0);
      assert.deepEqual(
        sums(points, ({ attributes, value }) => [attributes, value]),
        sums(all, (series) => [keyOf(series), countsOf(series)[field]]),
      );
      assert.deepEqual(
        sums(points, ({ value }) => ['all', value]),
        sums(rows, (row) => ['all', row[field]]),
      );
    }
  });
  t.pass();
});

for (const carriedAbove of [1000, 1, 0]) {
  t.test(
    `the deltas of a series leave no gap, if ${carriedAbove} ended ones may wait`,
    async (t) => {
      await assertAlways({ isDelta: true, carriedAbove }, ({ told, all }) => {
        const births = Map.groupBy(all, keyOf);
        for (const [metric] of METRICS) {
          const points = told.filter((point) => point.metric === metric);
          for (const [key, ofOne] of Map.groupBy(points, ({ attributes }) => attributes)) {
            // What is carried begins with the series whose counts it is.
            const own = key.includes('overflow') ? [...all] : births.get(key)!;
            let last = Number.NEGATIVE_INFINITY;
            for (const { start, end } of ofOne.toSorted((a, b) => a.start - b.start)) {
              const isBirth = own.some(({ startTimeMs }) => startTimeMs === start);
              assert.ok(start === last || (isBirth && start > last), 'a gap, or told twice');
              assert.ok(start < end);
              last = end;
            }
          }
        }
      });
      t.pass();
    },
  );

  t.test(`deltas add up to the truth, if ${carriedAbove} ended series may wait`, async (t) => {
    await assertAlways({ isDelta: true, carriedAbove }, ({ told, rows }) => {
      for (const [metric, field] of METRICS) {
        const points = told.filter((point) => point.metric === metric);
        assert.ok(points.every(({ value }) => value > 0));
        assert.deepEqual(
          sums(points, ({ value }) => ['all', value]),
          sums(rows, (row) => ['all', row[field]]),
        );
      }
    });
    t.pass();
  });

  t.test(`last values add up to the truth, if ${carriedAbove} ended series may wait`, async (t) => {
    await assertAlways({ isDelta: false, carriedAbove }, ({ told, rows }) => {
      for (const [metric, field] of METRICS) {
        const last = new Map<string, number>();
        for (const { metric: name, attributes, start, value } of told) {
          if (name !== metric) continue;
          const key = `${attributes} ${start}`;
          assert.ok(value >= (last.get(key) ?? 0), 'a counter fell');
          last.set(key, value);
        }
        assert.deepEqual(
          sums(last.values(), (value) => ['all', value]),
          sums(rows, (row) => ['all', row[field]]),
        );
      }
    });
    t.pass();
  });
}

t.test("khan's own counters and histograms lose nothing with a push that fails", async (t) => {
  await assertAlways({ isDelta: true }, ({ told, steps }) => {
    for (const metric of ['cycles', 'durations']) {
      const points = told.filter((point) => point.metric === metric);
      assert.ok(points.every(({ isDelta, value }) => isDelta && value > 0));
      assert.deepEqual(
        sums(points, ({ value }) => ['all', value]),
        sums([steps], (all) => ['all', all]),
      );
    }
  });
  t.pass();
});

for (const isDelta of [true, false]) {
  const temporality = isDelta ? 'delta' : 'cumulative';
  t.test(`open connections are told as they are, with ${temporality} temporality`, async (t) => {
    await assertAlways({ isDelta }, ({ told, all }) => {
      const active = told.filter(({ metric }) => metric === 'khan_connection_active');
      assert.ok(active.every((point) => !point.isDelta));
      const last = new Map(active.map((point) => [`${point.attributes} ${point.start}`, point]));
      for (const series of all) {
        for (const [state, value] of countsOf(series).active) {
          const attributes = JSON.stringify({ ...series.labels, state });
          const point = last.get(`${attributes} ${series.startTimeMs}`);
          assert.equal(point?.value ?? 0, value, 'an ended series ends with 0');
        }
      }
    });
    t.pass();
  });
}

t.test('the last counts of each series arrive, with cumulative temporality', async (t) => {
  await assertAlways({ isDelta: false }, ({ told, all }) => {
    for (const [metric, field] of METRICS) {
      const points = told.filter((point) => point.metric === metric);
      const arrived = new Map<string, number>();
      for (const { attributes, start, value, isDelta } of points) {
        const key = `${attributes} ${start}`;
        assert.ok(!isDelta && value >= (arrived.get(key) ?? 0));
        arrived.set(key, value);
      }
      for (const series of all) {
        const key = `${keyOf(series)} ${series.startTimeMs}`;
        assert.equal(arrived.get(key) ?? 0, countsOf(series)[field]);
      }
    }
  });
  t.pass();
});
