import type { LeakSample } from './leak-sample.ts';

/** Points of a window: enough to tell a slope from a step. */
const WINDOW_POINTS = 12;
/** The long window in windows: a point of it is the least of so many points. */
const LONG_WINDOWS = 8;
const POINTS_MAX = WINDOW_POINTS * LONG_WINDOWS;
/** One more for the point that is not complete. 4 KB a history. */
const ROWS = POINTS_MAX + 1;

const COUNTER = { takenAtMs: 0, opened: 1, closed: 2 };
const COUNTERS = 3;
const GAUGE = { open: 0, idle: 1, client: 2, server: 3 };
const GAUGES = 4;

/**
 * The last eight windows of one series, as {@link LeakSample}s at fixed distances. A point has the least of
 * each gauge of its snapshots, and the counters of the last one: connections that come and go, a burst or
 * a job every minute, are not in it, and those that never go are.
 */
export class LeakHistory {
  readonly #pointMs: number;
  /** Rings: point n is at n % ROWS. */
  readonly #counters = new Float64Array(ROWS * COUNTERS);
  readonly #gauges = new Uint32Array(ROWS * GAUGES);
  /** Points that are complete, ever; the next one is not, and empty before the first sample. */
  #complete = 0;
  #slot: number | undefined;

  constructor({ windowMs }: { readonly windowMs: number }) {
    this.#pointMs = windowMs / WINDOW_POINTS;
  }

  /** Tells whether this sample has completed a point: it begins the next one. */
  add(sample: LeakSample): boolean {
    const { takenAtMs, open, idle, closedByClient, closedByServer, opened, closed } = sample;
    const slot = Math.floor(takenAtMs / this.#pointMs);
    const last = this.#slot;
    this.#slot = slot;
    const isNew = slot !== last;
    // A wall clock that was set back: what there was has no place in time any more.
    if (last !== undefined && slot < last) this.#complete = 0;
    const completes = last !== undefined && slot > last;
    if (completes) this.#complete++;

    const row = this.#complete % ROWS;
    const counters = row * COUNTERS;
    this.#counters[counters + COUNTER.takenAtMs] = takenAtMs;
    this.#counters[counters + COUNTER.opened] = opened;
    this.#counters[counters + COUNTER.closed] = closed;
    const lower = (column: number, value: number) => {
      const at = row * GAUGES + column;
      this.#gauges[at] = isNew ? value : Math.min(this.#gauges[at]!, value);
    };
    lower(GAUGE.open, open);
    lower(GAUGE.idle, idle);
    lower(GAUGE.client, closedByClient);
    lower(GAUGE.server, closedByServer);
    return completes;
  }

  /** The points of the last window, the oldest first; fewer while the history is young. */
  short(): LeakSample[] {
    const from = Math.max(0, this.#complete - WINDOW_POINTS);
    return Array.from({ length: this.#complete - from }, (_, nth) =>
      this.#least(from + nth, from + nth + 1),
    );
  }

  /** The same for eight windows, which are as many points. */
  long(): LeakSample[] {
    const points = Math.min(WINDOW_POINTS, Math.floor(this.#complete / LONG_WINDOWS));
    const from = this.#complete - points * LONG_WINDOWS;
    return Array.from({ length: points }, (_, nth) =>
      this.#least(from + nth * LONG_WINDOWS, from + (nth + 1) * LONG_WINDOWS),
    );
  }

  /** The least that was open at any point there is, and when the first of them was. */
  bounds(): { readonly leastOpen: number; readonly firstMs: number } {
    const first = Math.max(0, this.#complete - POINTS_MAX);
    return {
      leastOpen: this.#least(first, this.#complete).open,
      firstMs: this.#counter(first, COUNTER.takenAtMs),
    };
  }

  /** Several points as one. */
  #least(from: number, to: number): LeakSample {
    const least = (column: number) => {
      let value = Infinity;
      for (let point = from; point < to; point++) {
        value = Math.min(value, this.#gauges[(point % ROWS) * GAUGES + column]!);
      }
      return value;
    };
    return {
      takenAtMs: this.#counter(to - 1, COUNTER.takenAtMs),
      open: least(GAUGE.open),
      idle: least(GAUGE.idle),
      closedByClient: least(GAUGE.client),
      closedByServer: least(GAUGE.server),
      opened: this.#counter(to - 1, COUNTER.opened),
      closed: this.#counter(to - 1, COUNTER.closed),
    };
  }

  #counter(point: number, column: number): number {
    return this.#counters[(point % ROWS) * COUNTERS + column]!;
  }
}
