import type { LeakSample } from './leak-sample.ts';

/** How one number of a series went over a window; the parts are from 0 to 1. */
export interface Growth {
  /** Connections a millisecond. */
  readonly slope: number;
  /** Whether there are many more of them. */
  readonly amount: number;
  /** Whether there are more of them all the time. */
  readonly steadiness: number;
  /** Whether there were more of them in each third of the window. */
  readonly evenness: number;
  /** How much of it is not because more connections are opened. */
  readonly unexplained: number;
}

type Count = (sample: LeakSample) => number;

/** A window needs as many points as this; one of its twelve may be missing. */
const POINTS_MIN = 11;
/** Connections that have to come, at least these, a tenth, and what chance does not bring. */
const GROWTH_MIN = 10;
const GROWTH_SHARE = 0.1;
/** Of a Poisson distribution, which independent visitors have. */
const GROWTH_DEVIATIONS = 3;
/** Kendall's tau of 12 points without any trend is within ±0.22 in two of three cases; of a single step 0.55 at most. */
const TAU = { none: 0.3, full: 0.8 };
/** Of a third of the growth, what the third of the window with the least of it has to have. */
const EVEN = { none: 0.3, full: 0.7 };

/** Undefined while there are too few points. */
export function growthOf(points: readonly LeakSample[], countOf: Count): Growth | undefined {
  if (points.length < POINTS_MIN) return undefined;
  const counts = points.map(countOf);
  const times = points.map(({ takenAtMs }) => takenAtMs);
  const slopes: number[] = [];
  let concordance = 0;
  for (let later = 1; later < counts.length; later++) {
    for (let earlier = 0; earlier < later; earlier++) {
      const more = counts[later]! - counts[earlier]!;
      slopes.push(more / (times[later]! - times[earlier]!));
      concordance += Math.sign(more);
    }
  }
  // Theil and Sen: the median of the slopes of all pairs. A quarter of the points may be anything.
  const slope = median(slopes);
  const grown = slope * (times.at(-1)! - times[0]!);
  const first = counts[0]!;
  const needed = Math.max(GROWTH_MIN, GROWTH_SHARE * first, GROWTH_DEVIATIONS * Math.sqrt(first));
  return {
    slope,
    amount: clamp(grown / needed),
    steadiness: ramp(concordance / slopes.length, TAU.none, TAU.full),
    evenness: grown > 0 ? ramp((3 * leastThird(counts)) / grown, EVEN.none, EVEN.full) : 0,
    unexplained: unexplainedOf(points, counts),
  };
}

/** What the third that grew least has grown, between points that are means of three. */
function leastThird(counts: readonly number[]): number {
  const [a, b, c, d] = [0, 1, 2, 3].map((nth) => {
    const at = Math.round((nth * (counts.length - 1)) / 3);
    return mean(counts.slice(Math.max(0, at - 1), at + 2));
  });
  return Math.min(b! - a!, c! - b!, d! - c!);
}

/**
 * By Little's law connections grow with the rate at which they are opened, if each lives as long as
 * before. What is told is the share of their growth, as a logarithm, for which that is no reason.
 */
function unexplainedOf(points: readonly LeakSample[], counts: readonly number[]): number {
  const third = Math.ceil(points.length / 3);
  const growth = Math.log(mean(counts.slice(-third)) / Math.max(1, mean(counts.slice(0, third))));
  if (growth <= 0) return 0;
  const rates = [points.slice(0, third), points.slice(-third)].map(openedRate);
  return clamp(1 - Math.log(rates[1]! / rates[0]!) / growth);
}

/** One more than there were: a few that are opened more tell nothing where there was none. */
function openedRate(points: readonly LeakSample[]): number {
  const [first, last] = [points[0]!, points.at(-1)!];
  return (Math.max(0, last.opened - first.opened) + 1) / (last.takenAtMs - first.takenAtMs);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

export function median(numbers: readonly number[]): number {
  // No typed array: it has memory of its own outside of the heap, and here are thousands of medians.
  const sorted = numbers.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** 0 at `none`, 1 at `full`, straight between. */
export function ramp(value: number, none: number, full: number): number {
  return clamp((value - none) / (full - none));
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
