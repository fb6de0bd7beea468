import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type GaugeMetricData,
  type HistogramMetricData,
  type MetricProducer,
  type SumMetricData,
} from '@opentelemetry/sdk-metrics';
import type { Publication, Series } from '../connections/series.ts';
import { PointLists } from './connection-metrics.ts';
import { pointOf, PointSeries, toHrTime, type ConnectionPoint } from './connection-point.ts';
import { DurationPoints } from './duration-points.ts';
import { METRIC, type MetricName } from './metric-names.ts';
import { ATTRIBUTE, SCOPE_NAME } from './names.ts';

/** Series between two pauses of {@link ConnectionProducer.prepare}. */
const SLICE_SERIES = 500;

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
 * Temporality is cumulative, with a start time per series. Collecting is handing over what the last
 * publication made: it does no work, cannot fail, and before the first publication gives nothing.
 */
export class ConnectionProducer implements MetricProducer {
  readonly #scope: { readonly name: string; readonly version: string };
  readonly #tableAttributes: Attributes;
  /** Weak, so that the points of an ended series go with it. */
  readonly #points = new WeakMap<Series<Attributes>, PointSeries>();
  #firstTakenAt: HrTime | undefined;
  #takenAtMs = Number.NEGATIVE_INFINITY;
  #active: readonly ConnectionPoint[] = [];
  readonly #durations = new DurationPoints();
  #metrics: (SumMetricData | GaugeMetricData | HistogramMetricData)[] = [];
  #endedKeeper: EndedKeeper | undefined;

  constructor({ nodeName, version }: { readonly nodeName: string; readonly version: string }) {
    this.#scope = { name: SCOPE_NAME, version };
    this.#tableAttributes = { [ATTRIBUTE.node]: nodeName };
  }

  /** When the published snapshot was taken, in ms since the epoch; -Infinity before the first one. */
  get takenAtMs(): number {
    return this.#takenAtMs;
  }

  /** Connections in the table as of the last publication: one point a series and state. */
  get active(): readonly DataPoint<number>[] {
    return this.#active;
  }

  /** From the next publication on, tells of each series that ends; its points never change again. */
  keepEnded(keeper: EndedKeeper): void {
    this.#endedKeeper = keeper;
  }

  /**
   * Makes the points that a publication adds, and pauses at every yield: thousands of new series at
   * once would block the event loop. Shows nothing; publish() makes what is still missing.
   */
  *prepare(publication: Publication<Attributes>): Generator<void, void> {
    let prepared = 0;
    for (const series of publication.series) {
      if (series.publishedAtMs < publication.takenAtMs && this.#points.has(series)) continue;
      this.pointsOf(series);
      if (++prepared % SLICE_SERIES === 0) yield;
    }
  }

  /**
   * Takes the state of the ledger after a snapshot. The arrays are new each time: a push that is
   * under way goes on with those it was given.
   */
  publish(publication: Publication<Attributes>, table: ConntrackTable): void {
    const takenAt = toHrTime(publication.takenAtMs);
    this.#firstTakenAt ??= takenAt;
    const tableTimes = { startTime: this.#firstTakenAt, endTime: takenAt };
    const lists = new PointLists();
    for (const series of publication.series) {
      const { points } = this.#updated(series, takenAt);
      for (const point of points) lists.add(point);
    }
    for (const { series, measure, value } of publication.gauges) {
      const point = pointOf(this.pointsOf(series), measure);
      update(point, value, takenAt);
      lists.add(point);
    }
    if (this.#endedKeeper !== undefined) {
      this.#tellEnded(publication.ended, this.#endedKeeper, takenAt);
    }
    this.#takenAtMs = publication.takenAtMs;
    this.#active = lists.of('active');
    this.#metrics = [
      ...lists.toMetrics(),
      this.#durations.metricOf(publication.durations, takenAt, toHrTime),
      sum(METRIC.conntrackEntries, this.#tablePoints(table.entries, tableTimes), {
        isMonotonic: false,
      }),
      sum(METRIC.conntrackLimit, this.#tablePoints(table.limit, tableTimes), {
        isMonotonic: false,
      }),
    ].filter(({ dataPoints }) => dataPoints.length > 0);
  }

  /** They show nothing before they are published. */
  pointsOf(series: Series<Attributes>): PointSeries {
    let made = this.#points.get(series);
    if (made === undefined) {
      const { labels, startTimeMs, publishedAtMs } = series;
      made = new PointSeries(labels, toHrTime(startTimeMs), publishedAtMs);
      this.#points.set(series, made);
    }
    made.makePoints(series.measures);
    return made;
  }

  async collect(): Promise<CollectionResult> {
    const scopeMetrics =
      this.#metrics.length > 0 ? [{ scope: this.#scope, metrics: this.#metrics }] : [];
    // The reader puts the MeterProvider's resource in the place of this one.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
  }

  #updated(series: Series<Attributes>, takenAt: HrTime): PointSeries {
    const made = this.pointsOf(series);
    const { points } = made;
    const { values } = series;
    for (let at = 0; at < points.length; at++) update(points[at]!, values[at]!, takenAt);
    return made;
  }

  #tellEnded(ended: readonly Series<Attributes>[], keeper: EndedKeeper, takenAt: HrTime): void {
    for (const series of ended) {
      // Some end before they are ever published.
      if (this.#points.has(series)) keeper.add(this.#updated(series, takenAt));
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
