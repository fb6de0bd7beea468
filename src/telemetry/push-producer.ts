import { diag } from '@opentelemetry/api';
import {
  DataPointType,
  type CollectionResult,
  type MetricData,
  type MetricProducer,
  type SumMetricData,
} from '@opentelemetry/sdk-metrics';
import {
  connectionMetrics,
  type ConnectionProducer,
  type SeriesPoints,
} from './connection-producer.ts';
import { ConnectionPoint } from './connection-point.ts';

/** As many as live by default; about 1 KB each. They wait for the next push, or while pushes fail. */
const WAITING_SERIES_MAX = 20_000;
/** Given up at once when there are too many, so that the search for the delivered ones is rare. */
const LOST_SERIES = 1000;

interface Options {
  readonly connections: ConnectionProducer;
  /** Counters that have nothing new to tell are left out. */
  readonly isDelta: boolean;
}

/**
 * The connection metrics as the OTLP push needs them: beside the series that live, those that ended
 * before their last counts were delivered, until they are. A series may be born and end between two
 * pushes, or while the collector is away. Above the limit the oldest are given up, and counted.
 *
 * A series that came back has its ended points before its new ones: the points of one attribute set
 * are in the order of their time.
 */
export class PushProducer implements MetricProducer {
  readonly #connections: ConnectionProducer;
  readonly #isDelta: boolean;
  readonly #waiting = new Set<SeriesPoints>();
  #lostSeries = 0;

  constructor({ connections, isDelta }: Options) {
    this.#connections = connections;
    this.#isDelta = isDelta;
    connections.keepEnded(this);
  }

  /** Series that have ended and are not wholly delivered. */
  get waitingSeries(): number {
    return this.#waiting.size;
  }

  /** Those that were given up. */
  get lostSeries(): number {
    return this.#lostSeries;
  }

  /** A series has ended: for ConnectionProducer. */
  add(points: SeriesPoints): void {
    // Even if all seems to be delivered: a request that is under way may carry an older value.
    this.#waiting.add(points);
    if (this.#waiting.size <= WAITING_SERIES_MAX) return;
    this.#forgetDelivered();
    if (this.#waiting.size <= WAITING_SERIES_MAX) return;
    for (const oldest of this.#waiting.keys().take(LOST_SERIES)) this.#waiting.delete(oldest);
    this.#lostSeries += LOST_SERIES;
    diag.warn(
      `Cannot keep what ${LOST_SERIES} ended series have counted: too many wait for a push`,
    );
  }

  async collect(): Promise<CollectionResult> {
    const { resourceMetrics, errors } = await this.#connections.collect();
    const { resource, scopeMetrics } = resourceMetrics;
    const ended = this.#endedMetrics();
    const scopes = scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: merge(ended, metrics).map((metric) => this.#changed(metric)),
    }));
    return { resourceMetrics: { resource, scopeMetrics: scopes }, errors };
  }

  #endedMetrics(): SumMetricData[] {
    this.#forgetDelivered();
    const waiting = [...this.#waiting];
    return connectionMetrics({
      opened: waiting.map(({ opened }) => opened).filter(isWaiting),
      closed: waiting.map(({ closed }) => closed).filter(isWaiting),
      active: waiting.flatMap(({ active }) => active).filter(isWaiting),
    });
  }

  #forgetDelivered(): void {
    for (const points of this.#waiting) {
      if (!pointsOf(points).some(isWaiting)) this.#waiting.delete(points);
    }
  }

  /** Before the reader splits them into batches: most counters of a node are idle between two pushes. */
  #changed(metric: MetricData): MetricData {
    if (!this.#isDelta || !('isMonotonic' in metric) || !metric.isMonotonic) return metric;
    const dataPoints = metric.dataPoints.filter((point) => {
      return !(point instanceof ConnectionPoint) || isWaiting(point);
    });
    return { ...metric, dataPoints };
  }
}

/** Ended points first. A metric of which no series lives is there for the ended ones. */
function merge(ended: readonly SumMetricData[], live: readonly MetricData[]): MetricData[] {
  const merged = new Map(live.map((metric) => [metric.descriptor.name, metric]));
  for (const metric of ended) {
    if (metric.dataPoints.length === 0) continue;
    const { name } = metric.descriptor;
    const living = merged.get(name);
    const others = living?.dataPointType === DataPointType.SUM ? living.dataPoints : [];
    merged.set(name, { ...metric, dataPoints: metric.dataPoints.concat(others) });
  }
  return [...merged.values()];
}

function pointsOf({ opened, closed, active }: SeriesPoints): ConnectionPoint[] {
  return [opened, closed, ...active];
}

function isWaiting({ value, pushedValue }: ConnectionPoint): boolean {
  return value !== pushedValue;
}
