import type { EntryRows } from './entry-rows.ts';
import { addDuration, DURATION_COLUMNS } from './durations.ts';
import { countSignals, SIGNAL_SLOTS } from './signals.ts';
import { STATE_SLOTS, TRAFFIC_COLUMNS, type EdgeColumns } from './snapshot.ts';

/** What one snapshot counts of each edge, by the edge's slot. */
export class EdgeCounts {
  opened: Uint32Array<ArrayBuffer>;
  closed: Uint32Array<ArrayBuffer>;
  #active: Uint32Array<ArrayBuffer>;
  #signals: Uint32Array<ArrayBuffer>;
  /** As in {@link EdgeColumns.oldest}. */
  #oldest: Float64Array<ArrayBuffer>;
  /** Empty as long as the kernel has not accounted for anything. */
  #traffic = new Float64Array(0);
  /** Empty as long as none is known. */
  #durations = new Float64Array(0);
  #size: number;

  constructor(size: number) {
    this.#size = size;
    this.opened = new Uint32Array(size);
    this.closed = new Uint32Array(size);
    this.#active = new Uint32Array(size * STATE_SLOTS);
    this.#signals = new Uint32Array(size * SIGNAL_SLOTS);
    this.#oldest = new Float64Array(size);
  }

  get hasTraffic(): boolean {
    return this.#traffic.length > 0;
  }

  get hasDurations(): boolean {
    return this.#durations.length > 0;
  }

  /** Gives the memory back at once, which garbage would keep for a while; only once, and at the end. */
  release(): void {
    const columns = [this.opened, this.closed, this.#active, this.#signals, this.#oldest];
    for (const { buffer } of [...columns, this.#traffic, this.#durations]) buffer.transfer(0);
  }

  grow(size: number): void {
    this.#size = size;
    this.opened = grown(this.opened, size);
    this.closed = grown(this.closed, size);
    this.#active = grown(this.#active, size * STATE_SLOTS);
    this.#signals = grown(this.#signals, size * SIGNAL_SLOTS);
    this.#oldest = grownDoubles(this.#oldest, size);
    if (this.hasTraffic) this.#traffic = grownDoubles(this.#traffic, size * TRAFFIC_COLUMNS);
    if (this.hasDurations) this.#durations = grownDoubles(this.#durations, size * DURATION_COLUMNS);
  }

  addActive(slot: number, state: number, signals: number): void {
    this.#active[slot * STATE_SLOTS + state]!++;
    if (signals !== 0) countSignals(signals, this.#signals, slot * SIGNAL_SLOTS);
  }

  /** `startMs` as in {@link EdgeColumns.oldest}. */
  addStart(slot: number, startMs: number): void {
    const oldest = this.#oldest[slot]!;
    if (oldest === 0 || Math.abs(startMs) < Math.abs(oldest)) this.#oldest[slot] = startMs;
  }

  /** What a row has more than the one that is counted already; all of it where there is none. */
  addTraffic(
    slot: number,
    { traffic }: EntryRows,
    row: number,
    counted?: EntryRows,
    countedRow = 0,
  ): void {
    if (traffic.isEmpty) return;
    if (!this.hasTraffic) this.#traffic = new Float64Array(this.#size * TRAFFIC_COLUMNS);
    for (let column = 0; column < TRAFFIC_COLUMNS; column++) {
      const more = traffic.get(row, column) - (counted?.traffic.get(countedRow, column) ?? 0);
      this.#traffic[slot * TRAFFIC_COLUMNS + column]! += Math.max(0, more);
    }
  }

  /** One connection has ended; NaN where nobody knows how long it lasted. */
  addDuration(slot: number, lastedMs: number): void {
    if (Number.isNaN(lastedMs)) return;
    if (!this.hasDurations) this.#durations = new Float64Array(this.#size * DURATION_COLUMNS);
    addDuration(lastedMs / 1000, this.#durations, slot * DURATION_COLUMNS);
  }

  /** Writes row `row` of the columns. False when the edge has no connection. */
  report(slot: number, columns: EdgeColumns, row: number): boolean {
    columns.opened[row] = this.opened[slot]!;
    columns.closed[row] = this.closed[slot]!;
    columns.oldest[row] = this.#oldest[slot]!;
    copy(this.#signals, slot * SIGNAL_SLOTS, columns.signals, row * SIGNAL_SLOTS, SIGNAL_SLOTS);
    if (this.hasTraffic) {
      const to = row * TRAFFIC_COLUMNS;
      copy(this.#traffic, slot * TRAFFIC_COLUMNS, columns.traffic, to, TRAFFIC_COLUMNS);
    }
    if (this.hasDurations) {
      const to = row * DURATION_COLUMNS;
      copy(this.#durations, slot * DURATION_COLUMNS, columns.durations, to, DURATION_COLUMNS);
    }
    let any = 0;
    const from = slot * STATE_SLOTS;
    const to = row * STATE_SLOTS;
    for (let state = 0; state < STATE_SLOTS; state++) {
      const count = this.#active[from + state]!;
      columns.active[to + state] = count;
      any |= count;
    }
    return any !== 0;
  }
}

type Numbers = Uint32Array | Float64Array;

function copy(from: Numbers, start: number, to: Numbers, at: number, count: number): void {
  for (let i = 0; i < count; i++) to[at + i] = from[start + i]!;
}

function grown(words: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length);
  larger.set(words);
  return larger;
}

function grownDoubles(numbers: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length);
  larger.set(numbers);
  return larger;
}
