import type { LiveSeries } from './account.ts';
import { OLDEST } from './measure.ts';
import type { Gauge } from './series.ts';

/** Series whose oldest connection is told: those with the oldest ones. */
const OLDEST_MAX = 100;

/** The age of the oldest connection in seconds, of the series that have the oldest, the oldest first. */
export function oldestGauges<Labels>(
  series: Iterable<LiveSeries<Labels>>,
  takenAtMs: number,
): Gauge<Labels>[] {
  const oldest: LiveSeries<Labels>[] = [];
  for (const one of series) {
    if (one.oldest !== 0) insert(oldest, one);
  }
  return oldest.map((one) => ({
    series: one,
    measure: one.oldest > 0 ? OLDEST.exact : OLDEST.atLeast,
    value: Math.max(0, takenAtMs - startOf(one)) / 1000,
  }));
}

/** In the order of their start; the youngest falls out when there are too many. */
function insert<Labels>(oldest: LiveSeries<Labels>[], one: LiveSeries<Labels>): void {
  const startMs = startOf(one);
  const last = oldest.at(-1);
  if (oldest.length === OLDEST_MAX && last !== undefined && startOf(last) <= startMs) return;
  const at = oldest.findLastIndex((other) => startOf(other) <= startMs) + 1;
  oldest.splice(at, 0, one);
  if (oldest.length > OLDEST_MAX) oldest.pop();
}

function startOf({ oldest }: LiveSeries<unknown>): number {
  return Math.abs(oldest);
}
