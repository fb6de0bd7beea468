import type { Timeouts } from '../conntrack/timeouts.ts';
import { EdgeTable } from './edge-table.ts';
import { Endings, type EndingsOptions } from './endings.ts';
import { EntryRows, ROW_BASELINE, type RowColumn } from './entry-rows.ts';
import { isEnding, isReopened } from './reopened.ts';
import { isRepeated } from './repeated.ts';
import type { AddressTakeover } from './snapshot.ts';
import { UnpairedRows } from './unpaired-rows.ts';

/** What became of a row of the last snapshot. */
const GONE = 0;
const STILL_THERE = 1;
/** Its identity is there, but it stands for another connection. */
const REOPENED = 2;

/** How far one dump may run ahead of the other before a row is looked for by its hash. */
const LOOK_AHEAD_ROWS = 8;
/** How far it is looked for when that many rows in a row were not found. */
const SEARCH_ROWS = 1024;

/** The entries of one address family, counted by edge. See tally.ts. */
export class FamilyTally {
  readonly edges: EdgeTable;
  #rows: EntryRows;
  #lastRows: EntryRows;
  readonly #endings: Endings;
  /** #rows are counted, and no later dump has begun. */
  #isFinished = false;
  #isBaseline = false;
  /** When the dump ended, in seconds since the epoch. */
  #takenAtS = 0;
  readonly #unpaired: UnpairedRows;
  /** What became of each row of the last snapshot. */
  #fates = new Uint8Array(0);

  constructor(options: EndingsOptions) {
    this.edges = new EdgeTable(options);
    this.#unpaired = new UnpairedRows(options.seed);
    this.#rows = new EntryRows(options.addressWords);
    this.#lastRows = new EntryRows(options.addressWords);
    this.#endings = new Endings(options);
  }

  get isTimestamped(): boolean {
    return !this.#rows.starts.isEmpty || !this.#endings.rows.starts.isEmpty;
  }

  /** Some are known to have begun before others; only then are the rows of both dumps needed once more. */
  get #isDivisible(): boolean {
    return this.isTimestamped || !this.#lastRows.starts.isEmpty;
  }

  begin(timeouts: Timeouts): void {
    if (this.#isFinished) {
      this.edges.settle();
      [this.#rows, this.#lastRows] = [this.#lastRows, this.#rows];
      this.#isFinished = false;
      this.#rows.reserve(this.#lastRows.count);
    }
    this.#rows.clear(timeouts);
    this.#endings.begin();
  }

  add(entry: Uint32Array): void {
    this.#rows.add(entry);
  }

  /** See Tally.addEnding(). */
  addEnding(entry: Uint32Array, lastedMs?: number): boolean {
    return this.#endings.add(entry, lastedMs);
  }

  finish({ isBaseline, takenAtMs }: { isBaseline: boolean; takenAtMs: number }): number {
    this.#isBaseline = isBaseline;
    this.#takenAtS = Math.ceil(takenAtMs / 1000);
    this.#isFinished = true;
    this.edges.beginSnapshot();
    const entries = this.#countAll();
    this.#endings.finish({ isBaseline });
    if (!this.#isDivisible) this.#lastRows.release();
    return entries;
  }

  divide(takeovers: readonly AddressTakeover[]): void {
    if (this.#isDivisible) this.edges.restartSnapshot();
    const slots = this.edges.takeOver(takeovers);
    if (!this.#isDivisible) return;
    const { words, count, stride, edgeAt } = this.#lastRows;
    for (let row = 0; row < count; row++) {
      const at = row * stride + edgeAt;
      if (slots.has(words[at]!)) words[at] = this.edges.slotOf(this.#lastRows, row);
    }
    this.#rows.uncount();
    this.#countAll();
  }

  /** The counted rows of the last dump; undefined while there are none. */
  columns(): readonly RowColumn[] | undefined {
    return this.#isFinished ? this.#rows.columns() : undefined;
  }

  /** Goes on from what columns() gave, with nothing opened or closed; the edges are new. */
  resume(columns: readonly RowColumn[], takeovers: readonly AddressTakeover[]): void {
    const rows = this.#rows;
    rows.load(columns);
    this.edges.takeOver(takeovers);
    this.edges.beginSnapshot();
    for (let row = 0; row < rows.count; row++)
      if (rows.isCounted(row)) this.#countActive(row, this.edges.slotOf(rows, row));
    this.#isFinished = true;
  }

  #countAll(): number {
    const last = this.#lastRows.count;
    if (this.#fates.length < last) this.#fates = new Uint8Array(last * 2);
    this.#fates.fill(GONE, 0, last);
    this.#endings.match(this.#rows);
    const entries = this.#count(this.#isBaseline);
    this.#countGone();
    // What came and went before the baseline is no more counted than what it holds.
    if (!this.#isBaseline) this.#countShort();
    return entries;
  }

  /** Pairs the rows with those of the last snapshot, and counts them; returns how many there are. */
  #count(baseline: boolean): number {
    const rows = this.#rows;
    const last = this.#lastRows;
    // The kernel walks its buckets in the same order each time, so both dumps run side by side: the
    // next row is mostly the one that followed last time, or some have gone in between. Where many
    // have gone at once, a longer look now and then brings the two together again.
    let ahead = 0;
    let missed = 0;
    let unpaired = 0;
    for (let row = 0; row < rows.count; row++) {
      if (ahead < last.count && rows.isUnchanged(row, last, ahead)) {
        this.#countStillThere(row, ahead++);
        missed = 0;
        continue;
      }
      const isAstray = missed >= LOOK_AHEAD_ROWS;
      if (isAstray) missed = 0;
      const stop = Math.min(ahead + (isAstray ? SEARCH_ROWS : LOOK_AHEAD_ROWS), last.count);
      let before = ahead;
      while (before < stop && !rows.isSame(row, last, before)) before++;
      if (before < stop) {
        ahead = before + 1;
        missed = 0;
      } else {
        missed++;
      }
      if (before < stop && last.isCounted(before)) this.#countPaired(row, before);
      else unpaired++;
    }
    return unpaired === 0 ? rows.count : rows.count - this.#countUnpaired(baseline);
  }

  /** Rows that are new, out of order, or there for the second time; returns how many are the latter. */
  #countUnpaired(baseline: boolean): number {
    const rows = this.#rows;
    this.#unpaired.index(this.#lastRows, (row) => this.#fates[row] === GONE);
    let repeated = 0;
    for (let row = 0; row < rows.count; row++) {
      if (rows.isCounted(row)) continue; // paired
      const before = this.#unpaired.find(rows, row);
      if (before >= 0 && this.#fates[before] === GONE) this.#countPaired(row, before);
      else if (before >= 0 || isRepeated(rows, row)) repeated++;
      else if (baseline) this.#countBaseline(row);
      else this.#countOpened(row);
    }
    return repeated;
  }

  /** `before` has the same identity; whether it is the same connection is decided here. */
  #countPaired(row: number, before: number): void {
    const rows = this.#rows;
    const last = this.#lastRows;
    if (rows.isSameRoute(row, last, before) && !isReopened(rows, row, last, before)) {
      this.#countStillThere(row, before);
    } else {
      this.#fates[before] = REOPENED;
      this.#countOpened(row);
    }
  }

  #countStillThere(row: number, before: number): void {
    const { words, stride, flagsAt, edgeAt, seenAt } = this.#rows;
    const theirs = this.#lastRows.words;
    this.#fates[before] = STILL_THERE;
    words[row * stride + flagsAt]! |= theirs[before * stride + flagsAt]! & ROW_BASELINE;
    words[row * stride + seenAt] = theirs[before * stride + seenAt]!;
    const edge = theirs[before * stride + edgeAt]!;
    this.#countActive(row, edge);
    this.edges.counts.addTraffic(edge, this.#rows, row, this.#lastRows, before);
  }

  #countOpened(row: number): void {
    const edge = this.edges.slotOf(this.#rows, row);
    // Read behind slotOf(), which may have put larger columns in the place of the old ones.
    this.edges.counts.opened[edge]!++;
    this.#rows.words[row * this.#rows.stride + this.#rows.seenAt] = this.#takenAtS;
    this.#countActive(row, edge);
    this.edges.counts.addTraffic(edge, this.#rows, row);
  }

  #countBaseline(row: number): void {
    const { words, stride, flagsAt } = this.#rows;
    words[row * stride + flagsAt]! |= ROW_BASELINE;
    words[row * stride + this.#rows.seenAt] = this.#takenAtS;
    const edge = this.edges.slotOf(this.#rows, row);
    this.#countActive(row, edge);
    this.edges.counts.addTraffic(edge, this.#rows, row, this.#rows, row);
  }

  #countActive(row: number, edge: number): void {
    const rows = this.#rows;
    rows.words[row * rows.stride + rows.edgeAt] = edge;
    const slot = rows.stateSlot(row);
    this.edges.counts.addActive(edge, slot, rows.signals(row));
    if (isEnding(rows, row)) return;
    const startNs = rows.starts.get(row, 0);
    const firstSeenS = rows.words[row * rows.stride + rows.seenAt]!;
    this.edges.counts.addStart(edge, startNs === 0 ? -1e3 * firstSeenS : startNs / 1e6);
  }

  #countGone(): void {
    const last = this.#lastRows;
    const { words, count, stride, flagsAt, edgeAt } = last;
    const { counts } = this.edges;
    for (let row = 0; row < count; row++) {
      if (this.#fates[row] === STILL_THERE || !last.isCounted(row)) continue;
      const at = row * stride;
      const edge = words[at + edgeAt]!;
      if ((words[at + flagsAt]! & ROW_BASELINE) === 0) counts.closed[edge]!++;
      const ending = this.#endings.take(last, row);
      if (ending < 0) continue;
      counts.addTraffic(edge, this.#endings.rows, ending, last, row);
      counts.addDuration(edge, this.#endings.lastedMs(ending));
    }
  }

  /** Connections that no snapshot has. */
  #countShort(): void {
    const { rows } = this.#endings;
    for (let ending = 0; ending < rows.count; ending++) {
      if (!this.#endings.isShort(ending)) continue;
      const edge = this.edges.slotOf(rows, ending);
      const { counts } = this.edges;
      counts.opened[edge]!++;
      counts.closed[edge]!++;
      counts.addTraffic(edge, rows, ending);
      counts.addDuration(edge, this.#endings.lastedMs(ending));
    }
  }
}
