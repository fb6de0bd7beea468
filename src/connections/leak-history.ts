import type { LeakSample } from './leak-sample.ts';

/** Points of a window: enough to tell a slope from a step. */
const WINDOW_POINTS = 12;
/** The long window in windows: a point of it is the least of so many points. */
const LONG_WINDOWS = 8;
const POINTS_MAX = WINDOW_POINTS * LONG_WINDOWS;
/** One more for the point that is not complete. 5 KB a history. */
const ROWS = POINTS_MAX + 1;

const COLUMN = { takenAtMs: 0, opened: 1, closed: 2, open: 3, idle: 4, client: 5, server: 6 };
const COLUMNS = 7;

/**
 * The last eight windows of one series, as {@link LeakSample}s at fixed distances. A point has the least of
 * each gauge of its snapshots, and the counters of the last one: connections that come and go, a burst or
 * a job every minute, are not in it, and those that never go are.
 */
export class LeakHistory {
  readonly #pointMs: number;
  /** A ring: point n is at n % ROWS. */
  readonly #numbers = new Float64Array(ROWS * COLUMNS);
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

    const numbers = this.#numbers;
    const row = (this.#complete % ROWS) * COLUMNS;
    const lower = (column: number, value: number) => {
      const at = row + column;
      numbers[at] = isNew ? value : Math.min(numbers[at]!, value);
    };
    numbers[row + COLUMN.takenAtMs] = takenAtMs;
    numbers[row + COLUMN.opened] = opened;
    numbers[row + COLUMN.closed] = closed;
    lower(COLUMN.open, open);
    lower(COLUMN.idle, idle);
    lower(COLUMN.client, closedByClient);
    lower(COLUMN.server, closedByServer);
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
      firstMs: this.#number(first, COLUMN.takenAtMs),
    };
  }

  /** Several points as one. */
  #least(from: number, to: number): LeakSample {
    const least = (column: number) => {
      let value = this.#number(from, column);
      for (let point = from + 1; point < to; point++) {
        value = Math.min(value, this.#number(point, column));
      }
      return value;
    };
    return {
      takenAtMs: this.#number(to - 1, COLUMN.takenAtMs),
      open: least(COLUMN.open),
      idle: least(COLUMN.idle),
      closedByClient: least(COLUMN.client),
      closedByServer: least(COLUMN.server),
      opened: this.#number(to - 1, COLUMN.opened),
      closed: this.#number(to - 1, COLUMN.closed),
    };
  }

  #number(point: number, column: number): number {
    return this.#numbers[(point % ROWS) * COLUMNS + column]!;
  }
}
