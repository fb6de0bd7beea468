import type { LeakSample } from './leak-sample.ts';

/** Points of a window: enough to tell a slope from a step. */
export const WINDOW_POINTS = 12;
/** The long window in windows: a point of it is the least of so many points. */
export const LONG_WINDOWS = 8;
/** 5 KB a history. */
const POINTS_MAX = WINDOW_POINTS * LONG_WINDOWS;

const COLUMNS = 7;

/**
 * The last six windows of one series, as {@link LeakSample}s at fixed distances. A point has the least of
 * each gauge of its snapshots, and the counters of the last one: connections that come and go, a burst or
 * a job every minute, are not in it, and those that never go are.
 */
export class LeakHistory {
  readonly #pointMs: number;
  /** A ring: point n is at n % POINTS_MAX. */
  readonly #numbers = new Float64Array(POINTS_MAX * COLUMNS);
  /** Points that are complete, ever. */
  #complete = 0;
  #growing: LeakSample | undefined;

  constructor({ windowMs }: { readonly windowMs: number }) {
    this.#pointMs = windowMs / WINDOW_POINTS;
  }

  /** Tells whether this sample has completed a point: it begins the next one. */
  add(sample: LeakSample): boolean {
    const growing = this.#growing;
    if (growing === undefined) {
      this.#growing = sample;
      return false;
    }
    const slot = (timeMs: number) => Math.floor(timeMs / this.#pointMs);
    if (slot(sample.takenAtMs) === slot(growing.takenAtMs)) {
      this.#growing = floorOf(growing, sample);
      return false;
    }
    this.#write(growing);
    this.#growing = sample;
    return true;
  }

  /** The points of the last window, the oldest first; fewer while the history is young. */
  short(): LeakSample[] {
    const from = Math.max(0, this.#complete - WINDOW_POINTS);
    return Array.from({ length: this.#complete - from }, (_, nth) => this.#read(from + nth));
  }

  /** The same for six windows, which are as many points. */
  long(): LeakSample[] {
    const points: LeakSample[] = [];
    const first = Math.max(0, this.#complete - POINTS_MAX);
    for (let end = this.#complete; end - LONG_WINDOWS >= first; end -= LONG_WINDOWS) {
      let point = this.#read(end - LONG_WINDOWS);
      for (let at = end - LONG_WINDOWS + 1; at < end; at++) {
        point = floorOf(point, this.#read(at));
      }
      points.unshift(point);
    }
    return points;
  }

  /** The least that was open at any point there is, and when the first of them was. */
  bounds(): { readonly leastOpen: number; readonly firstMs: number } {
    const first = Math.max(0, this.#complete - POINTS_MAX);
    let leastOpen = Number.POSITIVE_INFINITY;
    for (let at = first; at < this.#complete; at++) {
      leastOpen = Math.min(leastOpen, this.#read(at).open);
    }
    return { leastOpen, firstMs: this.#read(first).takenAtMs };
  }

  #write(sample: LeakSample): void {
    const { takenAtMs, open, idle, closedByClient, closedByServer, opened, closed } = sample;
    this.#numbers.set(
      [takenAtMs, open, idle, closedByClient, closedByServer, opened, closed],
      (this.#complete++ % POINTS_MAX) * COLUMNS,
    );
  }

  #read(point: number): LeakSample {
    const at = (point % POINTS_MAX) * COLUMNS;
    const numbers = this.#numbers;
    return {
      takenAtMs: numbers[at]!,
      open: numbers[at + 1]!,
      idle: numbers[at + 2]!,
      closedByClient: numbers[at + 3]!,
      closedByServer: numbers[at + 4]!,
      opened: numbers[at + 5]!,
      closed: numbers[at + 6]!,
    };
  }
}

/** Of two samples, the later one last. */
function floorOf(one: LeakSample, later: LeakSample): LeakSample {
  return {
    takenAtMs: later.takenAtMs,
    open: Math.min(one.open, later.open),
    idle: Math.min(one.idle, later.idle),
    closedByClient: Math.min(one.closedByClient, later.closedByClient),
    closedByServer: Math.min(one.closedByServer, later.closedByServer),
    opened: later.opened,
    closed: later.closed,
  };
}
