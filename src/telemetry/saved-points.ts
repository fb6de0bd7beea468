import type { Attributes, HrTime } from '@opentelemetry/api';
import { COUNTERS, counterName, savedSeries } from '../connections/saved-ledger.ts';
import type { Series } from '../connections/series.ts';
import { PointSeries, toHrTime } from './connection-point.ts';

/** By name of the counter: the value that the OTLP push has delivered last, and as of when in ms since the epoch. */
export type SavedDelivery = Readonly<Record<string, readonly number[]>>;

/** A series that has ended with counts that no push has delivered. */
export interface SavedEnd {
  readonly labels: Attributes;
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly delivered: SavedDelivery;
}

/** Of what only grows; undefined where nothing has been delivered. */
export function savedDelivery({ points }: Pick<PointSeries, 'points'>): SavedDelivery | undefined {
  const delivered = points.flatMap(({ measure, pushedValue, pushedUntil }) => {
    if (!measure.isMonotonic || pushedUntil === undefined) return [];
    return [[counterName(measure), [pushedValue, toMs(pushedUntil)]] as const];
  });
  return delivered.length === 0 ? undefined : Object.fromEntries(delivered);
}

/** The points go on from what was delivered of them before. */
export function restoreDelivery(
  { points }: Pick<PointSeries, 'points'>,
  saved: SavedDelivery,
): void {
  for (const point of points) {
    const [value, untilMs] = saved[counterName(point.measure)] ?? [];
    if (!point.measure.isMonotonic || value === undefined || untilMs === undefined) continue;
    point.pushedValue = value;
    point.pushedUntil = toHrTime(untilMs);
  }
}

export function savedEnd(ended: PointSeries): SavedEnd {
  const { attributes, startTime, points } = ended;
  const counters = points.filter(({ measure }) => measure.isMonotonic);
  return {
    labels: attributes,
    startTimeMs: toMs(startTime),
    endTimeMs: Math.max(...points.map(({ endTime }) => toMs(endTime))),
    counters: Object.fromEntries(
      counters.map(({ measure, value }) => [counterName(measure), value]),
    ),
    delivered: savedDelivery(ended) ?? {},
  };
}

/** The same of a series that has ended, and not yet been published to have. */
export function savedEnding(
  series: Series<Attributes>,
  { endTimeMs, points }: { readonly endTimeMs: number; readonly points: PointSeries },
): SavedEnd {
  const { labels, startTimeMs, counters } = savedSeries(series, {});
  return { labels, startTimeMs, endTimeMs, counters, delivered: savedDelivery(points) ?? {} };
}

export function restoredEnd(saved: SavedEnd): PointSeries {
  const { labels, startTimeMs, endTimeMs, counters, delivered } = saved;
  const series = new PointSeries(labels, toHrTime(startTimeMs), startTimeMs);
  series.makePoints(
    Array.from(COUNTERS).flatMap(([name, measure]) => (name in counters ? [measure] : [])),
  );
  for (const point of series.points) {
    point.value = counters[counterName(point.measure)] ?? 0;
    point.endTime = toHrTime(endTimeMs);
  }
  restoreDelivery(series, delivered);
  return series;
}

export function toMs([seconds, nanoseconds]: HrTime): number {
  return seconds * 1000 + Math.round(nanoseconds / 1e6);
}
