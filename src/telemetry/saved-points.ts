import type { Attributes, HrTime } from '@opentelemetry/api';
import { COUNTERS, counterName, savedSeries } from '../connections/saved-ledger.ts';
import type { Series } from '../connections/series.ts';
import { ConnectionPoint, PointSeries, toHrTime } from './connection-point.ts';
import type { SeriesPoints } from './connection-producer.ts';

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
export function savedDelivery({ points }: SeriesPoints): SavedDelivery | undefined {
  const delivered = points.flatMap(({ measure, pushedValue, pushedUntil }) => {
    if (!measure.isMonotonic || pushedUntil === undefined) return [];
    return [[counterName(measure), [pushedValue, toMs(pushedUntil)]] as const];
  });
  return delivered.length === 0 ? undefined : Object.fromEntries(delivered);
}

/** The points go on from what was delivered of them before. */
export function restoreDelivery({ points }: SeriesPoints, saved: SavedDelivery): void {
  for (const point of points) {
    const [value, untilMs] = saved[counterName(point.measure)] ?? [];
    if (!point.measure.isMonotonic || value === undefined || untilMs === undefined) continue;
    point.pushedValue = value;
    point.pushedUntil = toHrTime(untilMs);
  }
}

export function savedEnd(ended: SeriesPoints): SavedEnd {
  const { series, points } = ended;
  const counters = points.filter(({ measure }) => measure.isMonotonic);
  return {
    labels: series.attributes,
    startTimeMs: toMs(series.startTime),
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
  { endTimeMs, points }: { readonly endTimeMs: number; readonly points: SeriesPoints },
): SavedEnd {
  const { labels, startTimeMs, counters } = savedSeries(series, {});
  return { labels, startTimeMs, endTimeMs, counters, delivered: savedDelivery(points) ?? {} };
}

export function restoredEnd(saved: SavedEnd): SeriesPoints {
  const { labels, startTimeMs, endTimeMs, counters, delivered } = saved;
  const series = new PointSeries(labels, toHrTime(startTimeMs), startTimeMs);
  const points: ConnectionPoint[] = [];
  for (const [name, measure] of COUNTERS) {
    const value = counters[name];
    if (value === undefined) continue;
    const point = new ConnectionPoint(series, measure);
    point.value = value;
    point.endTime = toHrTime(endTimeMs);
    points.push(point);
  }
  restoreDelivery({ series, points }, delivered);
  return { series, points };
}

export function toMs([seconds, nanoseconds]: HrTime): number {
  return seconds * 1000 + Math.round(nanoseconds / 1e6);
}
