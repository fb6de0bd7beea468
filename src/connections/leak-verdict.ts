import { growthOf, median, ramp, type Growth } from './growth.ts';
import type { LeakHistory } from './leak-history.ts';
import type { LeakSample } from './leak-sample.ts';
import { CLOSED_BY } from './signals.ts';

/**
 * Why connections are said to leak: those that pile up are idle; there are more and more, busy or not;
 * or one end closes and the other does not.
 */
type LeakReason = 'idle' | 'growth' | 'half_closed';

export interface LeakVerdict {
  /** From 0, no sign of a leak, to 1, all of one. */
  readonly score: number;
  readonly reason: LeakReason;
  /** Connections that do not go, more each minute; 0 where the kernel forgets as many. */
  readonly ratePerMinute: number;
  /** When the growth began, if it was always as fast as it is now; as far back as the history goes. */
  readonly sinceMs: number;
  readonly open: number;
  readonly idleShare: number;
  readonly halfClosedShare: number;
  /** Who has closed most of the half-closed ones; the other end has not. */
  readonly closedBy: (typeof CLOSED_BY)[number] | undefined;
}

const MINUTE_MS = 60_000;
/** How much of the growth of idle connections has to be growth of all. */
const IDLE_ARE_MORE = { none: 0.25, full: 0.75 };
/** How long connections stay half-closed, on the average of all that end; healthy ones less than a second. */
const HALF_CLOSED_SECONDS = { none: 1.5, full: 5 };
const HALF_CLOSED_SHARE = 0.1;
const HALF_CLOSED_MIN = 5;

/**
 * The score, in plain words. There are three ways to leak, each from 0 to 1, and the score is the largest.
 *
 *     idle         idle connections grow over a window × so do all connections
 *     growth       all connections grow over eight windows
 *     half_closed  how long connections stay half-closed × how many of the open ones are
 *
 * Growth is a product: there are at least ten, a tenth and three standard deviations more (amount), more
 * and more all the time (steadiness), in each third of the time (evenness), and not because more are
 * opened (unexplained). All is about the quietest moments of a twelfth of the window, for a leak lifts
 * these.
 *
 * Idle growth needs one window, because traffic that grows is not idle. Busy growth needs eight:
 * keepalives are packets, so that a connection that leaks may look as busy as any, and then nothing but
 * time tells a leak from a client that needs more connections for hours. Half-closed connections are a
 * leak even when they do not grow, for the kernel forgets them after a while; how long they stay is, by
 * Little's law, their number by the rate at which connections end.
 *
 * The constants here and in growth.ts are those with which `npm run bench -- --scenario leaks` tells
 * leaks from what only looks like them.
 *
 * Undefined while the history is shorter than a window.
 */
export function judge(history: LeakHistory): LeakVerdict | undefined {
  const points = history.short();
  const longPoints = history.long();
  const now = points.at(-1);
  const [idle, open] = [growthOf(points, idleOf), growthOf(points, openOf)];
  if (idle === undefined || open === undefined || now === undefined) return undefined;
  const long = growthOf(longPoints, openOf);
  // Rates over eight windows say more than those over one.
  const { unexplained } = growthOf(longPoints, idleOf) ?? idle;
  const areMore = idle.slope > 0 ? open.slope / idle.slope : 0;

  const ways: readonly [LeakReason, score: number, slope: number][] = [
    [
      'idle',
      strength(idle) * unexplained * ramp(areMore, IDLE_ARE_MORE.none, IDLE_ARE_MORE.full),
      idle.slope,
    ],
    ['growth', long === undefined ? 0 : strength(long) * long.unexplained, long?.slope ?? 0],
    ['half_closed', halfClosed(points), open.slope],
  ];
  const [reason, score, slope] = ways.reduce((best, way) => (way[1] > best[1] ? way : best));
  return {
    score,
    reason,
    ratePerMinute: Math.max(0, slope) * MINUTE_MS,
    sinceMs: beginOf(history, { now, slope }),
    ...evidence(now),
  };
}

function openOf({ open }: LeakSample): number {
  return open;
}

function idleOf({ idle }: LeakSample): number {
  return idle;
}

/** Where the line of the growth meets the least that was open, as far as there are points. */
function beginOf(
  history: LeakHistory,
  { now, slope }: { readonly now: LeakSample; readonly slope: number },
): number {
  const { leastOpen, firstMs } = history.bounds();
  if (slope <= 0) return firstMs;
  return Math.max(firstMs, Math.round(now.takenAtMs - (now.open - leastOpen) / slope));
}

function strength({ amount, steadiness, evenness }: Growth): number {
  return amount * steadiness * evenness;
}

function halfClosed(points: readonly LeakSample[]): number {
  const [first, last] = [points[0]!, points.at(-1)!];
  const count = median(points.map(halfClosedOf));
  const share = count / Math.max(1, median(points.map(({ open }) => open)));
  const seconds = (last.takenAtMs - first.takenAtMs) / 1000;
  const secondsHalfClosed = (count * seconds) / Math.max(1, last.closed - first.closed);
  return (
    ramp(secondsHalfClosed, HALF_CLOSED_SECONDS.none, HALF_CLOSED_SECONDS.full) *
    ramp(share, 0, HALF_CLOSED_SHARE) *
    ramp(count, 0, HALF_CLOSED_MIN)
  );
}

function halfClosedOf({ closedByClient, closedByServer }: LeakSample): number {
  return closedByClient + closedByServer;
}

function evidence(now: LeakSample) {
  const { open, idle, closedByClient, closedByServer } = now;
  const shareOf = (count: number) => (open === 0 ? 0 : Math.min(1, count / open));
  const [client, server] = CLOSED_BY;
  return {
    open,
    idleShare: shareOf(idle),
    halfClosedShare: shareOf(halfClosedOf(now)),
    closedBy:
      halfClosedOf(now) === 0 ? undefined : closedByClient >= closedByServer ? client : server,
  };
}
