import type { HrTime } from '@opentelemetry/api';
import type { DataPoint, Histogram } from '@opentelemetry/sdk-metrics';

/** What has been delivered of one series; a ConnectionPoint is its own. */
export interface Delivered<Value> {
  /** Undefined where nothing has. */
  pushedValue: Value | undefined;
  pushedUntil: HrTime | undefined;
}

/** What has been added to a value since the last one; undefined where that is nothing. */
export type Difference<Value> = (value: Value, before: Value | undefined) => Value | undefined;

/**
 * What a point adds to what has been delivered of its series; undefined where that is nothing. It
 * begins where the last one delivered has ended, whatever has failed or been idle since: the time
 * ranges of a series follow each other without a gap (metrics data model, "Temporality").
 */
export function deltaOf<Value>(
  { attributes, startTime, endTime, value }: DataPoint<Value>,
  { pushedValue, pushedUntil }: Delivered<Value>,
  difference: Difference<Value>,
): DataPoint<Value> | undefined {
  const added = difference(value, pushedValue);
  return added === undefined
    ? undefined
    : { attributes, startTime: pushedUntil ?? startTime, endTime, value: added };
}

export function sumDifference(value: number, before = 0): number | undefined {
  return value === before ? undefined : value - before;
}

/** Least and greatest value are left out: of what came last, a cumulative histogram cannot tell. */
export function histogramDifference(
  { buckets, sum = 0, count }: Histogram,
  before: Histogram | undefined,
): Histogram | undefined {
  if (count === (before?.count ?? 0)) return undefined;
  const counts = buckets.counts.map((number, at) => number - (before?.buckets.counts[at] ?? 0));
  return {
    buckets: { boundaries: buckets.boundaries, counts },
    sum: sum - (before?.sum ?? 0),
    count: count - (before?.count ?? 0),
  };
}

/**
 * The same for points that are new objects at each collection, by metric and attributes. For khan's
 * own metrics: they are few, and never end.
 */
export class DeliveredBook<Value> {
  readonly #series = new Map<string, Delivered<Value> & { readonly startTime: string }>();

  of(metric: string, point: DataPoint<unknown>): Delivered<Value> {
    const key = `${metric} ${JSON.stringify(point.attributes)}`;
    const startTime = point.startTime.join('.');
    const known = this.#series.get(key);
    // Another start is another count from 0.
    if (known?.startTime === startTime) return known;
    const begun = { startTime, pushedValue: undefined, pushedUntil: undefined };
    this.#series.set(key, begun);
    return begun;
  }
}
