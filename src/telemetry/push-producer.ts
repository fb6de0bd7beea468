import { diag, type Attributes, type HrTime } from '@opentelemetry/api';
import {
  DataPointType,
  type CollectionResult,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { CarriedCounts } from './carried-counts.ts';
import { PointLists, SIGNAL_OF } from './connection-metrics.ts';
import { ConnectionPoint, toHrTime, type PointSeries } from './connection-point.ts';
import type { ConnectionProducer } from './connection-producer.ts';
import { ATTRIBUTE } from './names.ts';
import { restoredEnd, savedEnd, type SavedEnd } from './saved-points.ts';

/** Series that have ended, and wait for the next push or while pushes fail. */
export interface WaitingLimits {
  /** Above it the counts of the oldest are told with the overflow series. */
  readonly carriedAbove: number;
  /** Above it the oldest are given up while a request is under way, which may be for very long. */
  readonly lostAbove: number;
}

/** As many as live by default; about 1 KB each. */
const WAITING_LIMITS: WaitingLimits = { carriedAbove: 20_000, lostAbove: 40_000 };
/** Given up at once when there are too many, so that the search for the delivered ones is rare. */
const LOST_SERIES = 1000;

export interface PushProducerOptions {
  readonly connections: ConnectionProducer;
  /** Counters that have nothing new to tell are left out. */
  readonly isDelta: boolean;
  readonly describeOverflow: (primary: boolean) => Attributes;
  /** What it says is not yet known to be delivered or not. */
  readonly isRequestUnderWay: () => boolean;
  readonly limits?: WaitingLimits | undefined;
}

/**
 * The connection metrics as the OTLP push needs them: beside the series that live, those that ended
 * before their last counts were delivered, until they are. A series may be born and end between two
 * pushes, or while the collector is away.
 *
 * A series that came back has its ended points before its new ones: the points of one attribute set
 * are in the order of their time.
 */
export class PushProducer implements MetricProducer {
  readonly #options: PushProducerOptions;
  readonly #limits: WaitingLimits;
  readonly #carried: CarriedCounts;
  /** The oldest first. */
  readonly #waiting = new Set<PointSeries>();
  /** When the last of the ended ones did. */
  #endedAt: HrTime = [0, 0];
  #lostSeries = 0;

  constructor(options: PushProducerOptions) {
    this.#options = options;
    this.#limits = options.limits ?? WAITING_LIMITS;
    this.#carried = new CarriedCounts(options.describeOverflow);
    options.connections.keepEnded(this);
  }

  /** Series that have ended and are not wholly delivered. */
  get waitingSeries(): number {
    let waiting = 0;
    for (const points of this.#waiting) if (isSomeWaiting(points)) waiting++;
    return waiting;
  }

  /** Those that were given up. */
  get lostSeries(): number {
    return this.#lostSeries;
  }

  /** A series has ended: for ConnectionProducer. */
  add(points: PointSeries): void {
    // Even if all seems to be delivered: a request that is under way may carry an older value.
    this.#waiting.add(points);
    this.#endedAt = points.points[0]?.endTime ?? this.#endedAt;
    if (this.#waiting.size <= this.#limits.lostAbove) return;
    this.#forgetDelivered();
    if (this.#waiting.size <= this.#limits.lostAbove) return;
    if (!this.#options.isRequestUnderWay()) {
      this.#carryOldest();
      return;
    }
    for (const oldest of this.#waiting.keys().take(LOST_SERIES)) this.#waiting.delete(oldest);
    this.#lostSeries += LOST_SERIES;
    diag.warn(
      `Cannot keep what ${LOST_SERIES} ended series have counted: too many wait for a push`,
    );
  }

  /** Those that wait, and what is told as overflow. */
  *save(): Generator<SavedEnd> {
    for (const points of this.#waiting) if (isSomeWaiting(points)) yield savedEnd(points);
    yield* this.#carried.save(this.#endedAt);
  }

  /** Before the first series ends. */
  restore(saved: Iterable<SavedEnd>): void {
    for (const one of saved) {
      if (one.labels[ATTRIBUTE.overflow] === true) {
        this.#carried.restore(one);
        this.#endedAt = toHrTime(one.endTimeMs);
      } else {
        this.add(restoredEnd(one));
      }
    }
  }

  async collect(): Promise<CollectionResult> {
    if (!this.#options.isRequestUnderWay()) {
      this.#forgetDelivered();
      this.#carryOldest();
    }
    const { resourceMetrics, errors } = await this.#options.connections.collect();
    const { resource, scopeMetrics } = resourceMetrics;
    const ended = this.#endedMetrics();
    const scopes = scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: this.#merge(ended, metrics).map((metric) => this.#changed(metric)),
    }));
    return { resourceMetrics: { resource, scopeMetrics: scopes }, errors };
  }

  #forgetDelivered(): void {
    for (const points of this.#waiting) {
      if (!isSomeWaiting(points)) this.#waiting.delete(points);
    }
  }

  #carryOldest(): void {
    const tooMany = Math.max(0, this.#waiting.size - this.#limits.carriedAbove);
    for (const oldest of this.#waiting.keys().take(tooMany)) {
      this.#waiting.delete(oldest);
      this.#carried.add(oldest);
    }
  }

  #endedMetrics(): MetricData[] {
    const lists = new PointLists();
    for (const { points } of this.#waiting) {
      for (const point of points) if (isWaiting(point)) lists.add(point);
    }
    return lists.toMetrics();
  }

  /** Ended points first. A metric of which no series lives is there for the ended ones. */
  #merge(ended: readonly MetricData[], live: readonly MetricData[]): MetricData[] {
    const merged = new Map(live.map((metric) => [metric.descriptor.name, metric]));
    for (const metric of ended) {
      if (metric.dataPointType !== DataPointType.SUM) continue;
      const { name } = metric.descriptor;
      const signal = SIGNAL_OF.get(name);
      const isCarried = signal !== undefined && this.#carried.has(signal);
      if (metric.dataPoints.length === 0 && !isCarried) continue;
      const living = merged.get(name);
      const others = living?.dataPointType === DataPointType.SUM ? living.dataPoints : [];
      const dataPoints = metric.dataPoints.concat(others);
      merged.set(name, {
        ...metric,
        dataPoints: isCarried ? this.#carried.merge(signal, dataPoints, this.#endedAt) : dataPoints,
      });
    }
    return [...merged.values()];
  }

  /** Before the reader splits them into batches: most counters of a node are idle between two pushes. */
  #changed(metric: MetricData): MetricData {
    if (!this.#options.isDelta || !('isMonotonic' in metric) || !metric.isMonotonic) return metric;
    const dataPoints = metric.dataPoints.filter((point) => {
      return !(point instanceof ConnectionPoint) || isWaiting(point);
    });
    return { ...metric, dataPoints };
  }
}

function isSomeWaiting({ points }: PointSeries): boolean {
  return points.some(isWaiting);
}

function isWaiting({ value, pushedValue }: ConnectionPoint): boolean {
  return value !== pushedValue;
}
