import {
  AggregationTemporality,
  DataPointType,
  type DataPoint,
  type Histogram,
  type InstrumentType,
  type MetricData,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { ConnectionPoint } from './connection-point.ts';
import {
  DeliveredBook,
  deltaOf,
  histogramDifference,
  sumDifference,
  type Delivered,
  type Difference,
} from './delta.ts';
import { DurationPoint } from './duration-points.ts';

type Done = Parameters<PushMetricExporter['export']>[1];
type Result = Parameters<Done>[0];

/** ExportResultCode of @opentelemetry/core, which is not ours to import. */
const SUCCESS: Result['code'] = 0;
const FAILED: Result['code'] = 1;

/** Who counts what becomes of the requests. */
interface RequestObserver {
  answered(points: number): void;
  failed(): void;
}

interface Options {
  /** Encodes in the call of export(), so that what it sends is what is noted here. */
  readonly exporter: Required<PushMetricExporter>;
  /** Makes deltas of what only grows. The points it is given are cumulative in any case. */
  readonly isDelta: boolean;
  readonly observer: RequestObserver;
}

/** Notes that what a batch says of one series has been delivered. */
type Note = () => void;

/**
 * Remembers, for each series, what has been delivered of it: what a failed push should have told is
 * in the next one, and nothing is told twice. From that memory it makes deltas where they are asked
 * for. It is outermost of all push exporters, for it knows points by their identity.
 *
 * One request is under way at a time, and nothing waits here for it: the others are refused, and what
 * they would have told is told later.
 */
export class DeliveryExporter implements PushMetricExporter {
  readonly #options: Options;
  readonly #sums = new DeliveredBook<number>();
  readonly #histograms = new DeliveredBook<Histogram>();
  #isUnderWay = false;
  #unreachable: Result | undefined;

  constructor(options: Options) {
    this.#options = options;
  }

  /** What has been told may have been delivered or not. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** The batches that follow belong to a new collection. */
  beginPush(): void {
    this.#unreachable = undefined;
  }

  export(metrics: ResourceMetrics, done: Done): void {
    if (this.#isUnderWay) {
      done({ code: FAILED, error: new Error('Cannot push: the push before is still under way') });
      return;
    }
    if (this.#unreachable !== undefined) {
      done(this.#unreachable);
      return;
    }
    const notes: Note[] = [];
    const batch = this.#batchOf(metrics, notes);
    if (batch.scopeMetrics.length === 0) {
      done({ code: SUCCESS });
      return;
    }
    this.#isUnderWay = true;
    try {
      this.#options.exporter.export(batch, (result) => {
        this.#isUnderWay = false;
        this.#note(result, { notes, points: countPoints(batch) });
        done(result);
      });
    } catch (error) {
      this.#isUnderWay = false; // it could not be encoded, or not even begun
      throw error;
    }
  }

  #note(
    result: Result,
    { notes, points }: { readonly notes: readonly Note[]; readonly points: number },
  ): void {
    if (result.code === SUCCESS) {
      for (const note of notes) note();
      this.#options.observer.answered(points);
      return;
    }
    // Without an answer, or after one that asks for patience, the others would wait in vain.
    if (!isAnswered(result.error)) this.#unreachable = result;
    this.#options.observer.failed();
  }

  selectAggregation(instrumentType: InstrumentType) {
    return this.#options.exporter.selectAggregation(instrumentType);
  }

  /** Deltas are made here and not by the SDK, which forgets what it has told a push that fails. */
  selectAggregationTemporality(instrumentType: InstrumentType): AggregationTemporality {
    const { isDelta, exporter } = this.#options;
    if (isDelta) return AggregationTemporality.CUMULATIVE;
    return exporter.selectAggregationTemporality(instrumentType);
  }

  forceFlush(): Promise<void> {
    return this.#options.exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#options.exporter.shutdown();
  }

  #batchOf({ resource, scopeMetrics }: ResourceMetrics, notes: Note[]): ResourceMetrics {
    const scopes = scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics
        .map((metric) => this.#told(metric, notes))
        .filter(({ dataPoints }) => dataPoints.length > 0),
    }));
    return { resource, scopeMetrics: scopes.filter(({ metrics }) => metrics.length > 0) };
  }

  #told(metric: MetricData, notes: Note[]): MetricData {
    const { aggregationTemporality, dataPointType, descriptor } = metric;
    const isCumulative = aggregationTemporality === AggregationTemporality.CUMULATIVE;
    if (this.#options.isDelta && isCumulative) {
      const delta = { aggregationTemporality: AggregationTemporality.DELTA };
      if (dataPointType === DataPointType.SUM && metric.isMonotonic) {
        const of = (point: DataPoint<number>) =>
          point instanceof ConnectionPoint ? point : this.#sums.of(descriptor.name, point);
        const dataPoints = deltasOf(metric.dataPoints, { of, difference: sumDifference, notes });
        return { ...metric, ...delta, dataPoints };
      }
      if (dataPointType === DataPointType.HISTOGRAM) {
        const of = (point: DataPoint<Histogram>) =>
          point instanceof DurationPoint ? point : this.#histograms.of(descriptor.name, point);
        const difference = histogramDifference;
        const dataPoints = deltasOf(metric.dataPoints, { of, difference, notes });
        return { ...metric, ...delta, dataPoints };
      }
    }
    for (const point of metric.dataPoints) {
      if (!(point instanceof ConnectionPoint)) break; // a metric's points are all of one kind
      notes.push(noteOf(point, point));
    }
    return metric;
  }
}

function deltasOf<Value>(
  points: readonly DataPoint<Value>[],
  {
    of,
    difference,
    notes,
  }: {
    readonly of: (point: DataPoint<Value>) => Delivered<Value>;
    readonly difference: Difference<Value>;
    readonly notes: Note[];
  },
): DataPoint<Value>[] {
  const deltas: DataPoint<Value>[] = [];
  for (const point of points) {
    const delivered = of(point);
    const delta = deltaOf(point, delivered, difference);
    if (delta === undefined) continue;
    deltas.push(delta);
    notes.push(noteOf(delivered, point));
  }
  return deltas;
}

/** Of the value as it is now: the point may go on while the request is under way. */
function noteOf<Value>(delivered: Delivered<Value>, { value, endTime }: DataPoint<Value>): Note {
  return () => {
    delivered.pushedValue = value;
    delivered.pushedUntil = endTime;
  };
}

/** The exporter's error has the status of an answer with which no repetition helps. */
function isAnswered(error: Error | undefined): boolean {
  return error !== undefined && 'code' in error && typeof error.code === 'number';
}

function countPoints({ scopeMetrics }: ResourceMetrics): number {
  let points = 0;
  for (const { metrics } of scopeMetrics) {
    for (const { dataPoints } of metrics) points += dataPoints.length;
  }
  return points;
}
