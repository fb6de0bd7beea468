import { setImmediate as pause } from 'node:timers/promises';
import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type GaugeMetricData,
  type HistogramMetricData,
  type MetricData,
  type MetricProducer,
  type SumMetricData,
} from '@opentelemetry/sdk-metrics';
import type { Measure } from '../connections/measure.ts';
import type { Publication, Series } from '../connections/series.ts';
import { metricOf } from './connection-metrics.ts';
import { pointOf, PointSeries, toHrTime, type ConnectionPoint } from './connection-point.ts';
import { DurationPoints } from './duration-points.ts';
import { METRIC, type MetricName } from './metric-names.ts';
import { ATTRIBUTE, SCOPE_NAME } from './names.ts';
import { columnsOf, type SignalColumns } from './signal-columns.ts';

/** Between two pauses of {@link ConnectionProducer.prepare}. */
const SLICE_SERIES = 1000;
/** Between two pauses of {@link ConnectionProducer.collect}. */
const SLICE_POINTS = 2000;

/** Use and limit of the kernel's table; the limit is undefined while it is unknown. */
export interface ConntrackTable {
  readonly entries: number;
  readonly limit: number | undefined;
}

/** Who has to know the last values of a series that has ended. */
interface EndedKeeper {
  add(points: PointSeries): void;
}

/**
 * The ledger as OpenTelemetry sees it. A MetricProducer, because it is the one way into the SDK on
 * which a series can end: instruments keep every attribute set for ever, and fold all above 2,000
 * into one (Metrics SDK specification, "MetricProducer": bridges for pre-processed data).
 *
 * Temporality is cumulative, with a start time per series. The pages read `columns`; data points are
 * made, and brought up to date, when somebody collects them. Before the first publication there is
 * nothing.
 */
export class ConnectionProducer implements MetricProducer {
  readonly #scope: { readonly name: string; readonly version: string };
  readonly #tableAttributes: Attributes;
  /** Weak, so that the points of an ended series go with it. */
  readonly #points = new WeakMap<Series<Attributes>, PointSeries>();
  #firstTakenAt: HrTime | undefined;
  #takenAtMs = Number.NEGATIVE_INFINITY;
  #columns: readonly SignalColumns[] = [];
  readonly #durations = new DurationPoints();
  #prepared:
    | { readonly of: Publication<Attributes>; readonly columns: readonly SignalColumns[] }
    | undefined;
  /** Of `#columns`, from when somebody has asked for them. */
  #metrics: Promise<readonly (SumMetricData | GaugeMetricData)[]> | undefined;
  #otherMetrics: readonly (SumMetricData | HistogramMetricData)[] = [];
  #endedKeeper: EndedKeeper | undefined;
  /** What is not in `columns`: how long connections lasted, and the table. */
  readonly others: MetricProducer = {
    collect: async () => this.#collected([...this.#otherMetrics]),
  };

  constructor({ nodeName, version }: { readonly nodeName: string; readonly version: string }) {
    this.#scope = { name: SCOPE_NAME, version };
    this.#tableAttributes = { [ATTRIBUTE.node]: nodeName };
  }

  /** When the published snapshot was taken, in ms since the epoch; -Infinity before the first one. */
  get takenAtMs(): number {
    return this.#takenAtMs;
  }

  /** Everything about connections as of the last publication, by signal. */
  get columns(): readonly SignalColumns[] {
    return this.#columns;
  }

  /** From the next publication on, tells of each series that ends; its points never change again. */
  keepEnded(keeper: EndedKeeper): void {
    this.#endedKeeper = keeper;
  }

  /** Makes what takes long of a publication, with a pause at every yield. Shows nothing. */
  *prepare(publication: Publication<Attributes>): Generator<void, void> {
    this.#prepared = { of: publication, columns: yield* columnsOf(publication) };
    if (this.#endedKeeper === undefined) return;
    let prepared = 0;
    for (const series of publication.series) {
      this.#pointSeriesOf(series);
      if (++prepared % SLICE_SERIES === 0) yield;
    }
  }

  /**
   * Takes the state of the ledger after a snapshot, once a collection of the last one is at its end. The
   * columns and lists are new each time: whoever reads a page or pushes goes on with those they were given.
   */
  async publish(publication: Publication<Attributes>, table: ConntrackTable): Promise<void> {
    if (this.#metrics !== undefined) {
      await Promise.allSettled([this.#metrics]);
      // And with the next turn, whoever collects has put together what they have got.
      await pause();
    }
    if (this.#prepared?.of !== publication) for (const _ of this.prepare(publication));
    const takenAt = toHrTime(publication.takenAtMs);
    this.#firstTakenAt ??= takenAt;
    const tableTimes = { startTime: this.#firstTakenAt, endTime: takenAt };
    this.#takenAtMs = publication.takenAtMs;
    this.#columns = this.#prepared?.columns ?? [];
    this.#prepared = undefined;
    this.#metrics = undefined;
    this.#otherMetrics = [
      this.#durations.metricOf(publication.durations, takenAt, toHrTime),
      sum(METRIC.conntrackEntries, this.#tablePoints(table.entries, tableTimes), {
        isMonotonic: false,
      }),
      sum(METRIC.conntrackLimit, this.#tablePoints(table.limit, tableTimes), {
        isMonotonic: false,
      }),
    ].filter(({ dataPoints }) => dataPoints.length > 0);
    if (this.#endedKeeper === undefined) return;
    this.#tellEnded(publication.ended, this.#endedKeeper, takenAt);
  }

  /** They show nothing before they are published. */
  pointsOf(series: Series<Attributes>): PointSeries {
    const made = this.#pointSeriesOf(series);
    made.makePoints(series.measures);
    return made;
  }

  async collect(): Promise<CollectionResult> {
    const others = this.#otherMetrics;
    this.#metrics ??= this.#makeMetrics();
    return this.#collected([...(await this.#metrics), ...others]);
  }

  async #makeMetrics(): Promise<readonly (SumMetricData | GaugeMetricData)[]> {
    const takenAt = toHrTime(this.#takenAtMs);
    const metrics: (SumMetricData | GaugeMetricData)[] = [];
    let made = 0;
    for (const columns of this.#columns) {
      const points: ConnectionPoint[] = [];
      for (const [row, value] of columns.values.entries()) {
        const point = this.#pointOf(columns.seriesOf(row), columns.measure(row));
        update(point, value, takenAt);
        points.push(point);
        if (++made % SLICE_POINTS === 0) await pause();
      }
      if (points.length > 0) metrics.push(metricOf(columns.signal, points));
    }
    return metrics;
  }

  #pointSeriesOf(series: Series<Attributes>): PointSeries {
    let made = this.#points.get(series);
    if (made === undefined) {
      const { labels, startTimeMs, publishedAtMs } = series;
      made = new PointSeries(labels, toHrTime(startTimeMs), publishedAtMs);
      this.#points.set(series, made);
    }
    return made;
  }

  /** The series' own, or a new one of a gauge. */
  #pointOf(series: Series<Attributes>, measure: Measure): ConnectionPoint {
    const made = this.pointsOf(series);
    return made.points.find((point) => point.measure === measure) ?? pointOf(made, measure);
  }

  #collected(metrics: MetricData[]): CollectionResult {
    const scopeMetrics = metrics.length > 0 ? [{ scope: this.#scope, metrics }] : [];
    // The reader puts the MeterProvider's resource in the place of this one.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }

  #tellEnded(ended: readonly Series<Attributes>[], keeper: EndedKeeper, takenAt: HrTime): void {
    for (const series of ended) {
      // Some end before they are ever published.
      if (!this.#points.has(series)) continue;
      const made = this.pointsOf(series);
      for (const [at, point] of made.points.entries()) update(point, series.values[at]!, takenAt);
      keeper.add(made);
    }
  }

  #tablePoints(
    value: number | undefined,
    times: { readonly startTime: HrTime; readonly endTime: HrTime },
  ): DataPoint<number>[] {
    return value === undefined ? [] : [{ attributes: this.#tableAttributes, ...times, value }];
  }
}

function update(point: ConnectionPoint, value: number, takenAt: HrTime): void {
  point.value = value;
  point.endTime = takenAt;
}

function sum(
  metric: MetricName,
  dataPoints: DataPoint<number>[],
  { isMonotonic }: { readonly isMonotonic: boolean },
): SumMetricData {
  return {
    descriptor: { ...metric, valueType: ValueType.INT },
    dataPointType: DataPointType.SUM,
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    isMonotonic,
    dataPoints,
  };
}
