import { IPPROTO_TCP } from '../conntrack/entry.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';
import { EdgeTable, type FamilyOptions } from './edge-table.ts';
import { EntryRows, NO_EDGE, ROW_BASELINE } from './entry-rows.ts';
import { HashIndex, hashWords } from './hash-index.ts';
import { TRAFFIC_COLUMNS, type AddressTakeover } from './snapshot.ts';

/** enum tcp_conntrack, by the two sides of a reopening */
const TCP_ENDING = maskOf(6, 7, 8); // LAST_ACK, TIME_WAIT, CLOSE
const TCP_BEGINNING = maskOf(1, 2, 3, 9); // SYN_SENT, SYN_RECV, ESTABLISHED, SYN_SENT2

/** What became of a row of the last snapshot. */
const GONE = 0;
const STILL_THERE = 1;
/** Its identity is there, but it stands for another connection. */
const REOPENED = 2;

/** How far one dump may run ahead of the other before a row is looked for by its hash. */
const LOOK_AHEAD_ROWS = 8;
/** How far it is looked for when that many rows in a row were not found. */
const SEARCH_ROWS = 1024;
/** The kernel refuses entries for longer chains: MIN_CHAINLEN + MAX_CHAINLEN, nf_conntrack_core.c. */
const BUCKET_ROWS_MAX = 80;

/** The entries of one address family, counted by edge. See tally.ts. */
export class FamilyTally {
  readonly edges: EdgeTable;
  readonly #seed: number;
  #rows: EntryRows;
  #lastRows: EntryRows;
  /** #rows are counted, and no later dump has begun. */
  #isFinished = false;
  #isBaseline = false;
  /** When the dump ended, in seconds since the epoch. */
  #takenAtS = 0;
  /** Rows that found no counterpart while both dumps were read side by side. */
  readonly #unpaired: number[] = [];
  /** Rows of the last snapshot without a counterpart, by identity. */
  readonly #index = new HashIndex();
  /** What became of each row of the last snapshot. */
  #fates = new Uint8Array(0);

  constructor(options: FamilyOptions) {
    this.edges = new EdgeTable(options);
    this.#seed = options.seed;
    this.#rows = new EntryRows(options.addressWords);
    this.#lastRows = new EntryRows(options.addressWords);
  }

  get isTimestamped(): boolean {
    return !this.#rows.starts.isEmpty;
  }

  begin(timeouts: Timeouts): void {
    if (this.#isFinished) {
      this.edges.settle();
      [this.#rows, this.#lastRows] = [this.#lastRows, this.#rows];
      this.#isFinished = false;
    }
    this.#rows.clear(timeouts);
  }

  add(entry: Uint32Array): void {
    this.#rows.add(entry);
  }

  finish({ isBaseline, takenAtMs }: { isBaseline: boolean; takenAtMs: number }): number {
    this.#isBaseline = isBaseline;
    this.#takenAtS = Math.ceil(takenAtMs / 1000);
    this.#isFinished = true;
    this.edges.beginSnapshot();
    return this.#countAll();
  }

  divide(takeovers: readonly AddressTakeover[]): void {
    this.edges.restartSnapshot();
    const slots = this.edges.takeOver(takeovers);
    const { words, count, stride, edgeAt } = this.#lastRows;
    for (let row = 0; row < count; row++) {
      const at = row * stride + edgeAt;
      if (slots.has(words[at]!)) words[at] = this.edges.slotOf(this.#lastRows, row);
    }
    this.#rows.uncount();
    this.#countAll();
  }

  #countAll(): number {
    const last = this.#lastRows.count;
    if (this.#fates.length < last) this.#fates = new Uint8Array(last * 2);
    this.#fates.fill(GONE, 0, last);
    const entries = this.#count(this.#isBaseline);
    this.#countGone();
    return entries;
  }

  /** Pairs the rows with those of the last snapshot, and counts them; returns how many there are. */
  #count(baseline: boolean): number {
    const rows = this.#rows;
    const last = this.#lastRows;
    this.#unpaired.length = 0;
    // The kernel walks its buckets in the same order each time, so both dumps run side by side: the
    // next row is mostly the one that followed last time, or some have gone in between. Where many
    // have gone at once, a longer look now and then brings the two together again.
    let ahead = 0;
    let missed = 0;
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
      else this.#unpaired.push(row);
    }
    return rows.count - this.#countUnpaired(baseline);
  }

  /** Rows that are new, out of order, or there for the second time; returns how many are the latter. */
  #countUnpaired(baseline: boolean): number {
    if (this.#unpaired.length === 0) return 0;
    const rows = this.#rows;
    this.#indexUnpairedOfLast();
    let repeated = 0;
    for (const row of this.#unpaired) {
      const before = this.#find(row);
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
    this.#countTraffic(row, edge, this.#lastRows, before);
  }

  #countOpened(row: number): void {
    const edge = this.edges.slotOf(this.#rows, row);
    // Read behind slotOf(), which may have put larger columns in the place of the old ones.
    this.edges.counts.opened[edge]!++;
    this.#rows.words[row * this.#rows.stride + this.#rows.seenAt] = this.#takenAtS;
    this.#countActive(row, edge);
    this.#countTraffic(row, edge);
  }

  #countBaseline(row: number): void {
    const { words, stride, flagsAt } = this.#rows;
    words[row * stride + flagsAt]! |= ROW_BASELINE;
    words[row * stride + this.#rows.seenAt] = this.#takenAtS;
    const edge = this.edges.slotOf(this.#rows, row);
    this.#countActive(row, edge);
    this.#countTraffic(row, edge, this.#rows, row);
  }

  #countActive(row: number, edge: number): void {
    const rows = this.#rows;
    rows.words[row * rows.stride + rows.edgeAt] = edge;
    const slot = rows.stateSlot(row);
    this.edges.counts.addActive(edge, slot, rows.signals(row));
    if (rows.protocol(row) === IPPROTO_TCP && ((TCP_ENDING >>> slot) & 1) === 1) return;
    const startNs = rows.starts.get(row, 0);
    const firstSeenS = rows.words[row * rows.stride + rows.seenAt]!;
    this.edges.counts.addStart(edge, startNs === 0 ? -1e3 * firstSeenS : startNs / 1e6);
  }

  /** What is more than the counted row has; all of it where there is none. */
  #countTraffic(row: number, edge: number, countedRows?: EntryRows, countedRow = 0): void {
    const { traffic } = this.#rows;
    if (traffic.isEmpty) return;
    for (let column = 0; column < TRAFFIC_COLUMNS; column++) {
      const counted = countedRows?.traffic.get(countedRow, column) ?? 0;
      this.edges.counts.addTraffic(edge, column, traffic.get(row, column) - counted);
    }
  }

  #countGone(): void {
    const { words, count, stride, flagsAt, edgeAt } = this.#lastRows;
    const { closed } = this.edges.counts;
    for (let row = 0; row < count; row++) {
      const at = row * stride;
      if (this.#fates[row] === STILL_THERE || (words[at + flagsAt]! & ROW_BASELINE) !== 0) continue;
      if (words[at + edgeAt] !== NO_EDGE) closed[words[at + edgeAt]!]!++;
    }
  }

  #indexUnpairedOfLast(): void {
    const last = this.#lastRows;
    let rows = 0;
    for (let row = 0; row < last.count; row++) if (this.#fates[row] === GONE) rows++;
    this.#index.reset(rows);
    const { slots, mask } = this.#index;
    for (let row = 0; row < last.count; row++) {
      if (this.#fates[row] !== GONE || !last.isCounted(row)) continue;
      let at = this.#hash(last, row) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = row + 1;
    }
  }

  /**
   * The row of the last snapshot with the same identity, or -1. Rows that were paired while both dumps
   * were read side by side are not looked at.
   */
  #find(row: number): number {
    const { slots, mask } = this.#index;
    let at = this.#hash(this.#rows, row) & mask;
    for (let found = slots[at]!; found !== 0; found = slots[at]!) {
      if (this.#rows.isSame(row, this.#lastRows, found - 1)) return found - 1;
      at = (at + 1) & mask;
    }
    return -1;
  }

  #hash(rows: EntryRows, row: number): number {
    return hashWords(rows.words, row * rows.stride, rows.identityWords, this.#seed);
  }
}

/**
 * True when a row is the second one of an entry. When the entry at which a datagram ended is gone, the
 * kernel sends its bucket again from the start (ctnetlink_dump_table()), so the other one is near: before
 * this one, or behind it where this and the last dump had come together again by then.
 */
function isRepeated(rows: EntryRows, row: number): boolean {
  for (let other = Math.max(0, row - BUCKET_ROWS_MAX); other < row; other++) {
    if (rows.isSame(row, rows, other)) return true;
  }
  const end = Math.min(row + 1 + BUCKET_ROWS_MAX, rows.count);
  for (let other = row + 1; other < end; other++) {
    if (rows.isCounted(other) && rows.isSame(row, rows, other)) return true;
  }
  return false;
}

/**
 * CTA_ID is a hash of the entry's place in memory and its tuple, so a tuple that is used again can
 * get the same id again. What betrays it: the state went back to the beginning, the start time is
 * another, or the packets are fewer.
 */
function isReopened(rows: EntryRows, row: number, last: EntryRows, lastRow: number): boolean {
  if (rows.starts.get(row, 0) !== last.starts.get(lastRow, 0)) return true;
  if (rows.packets(row) < last.packets(lastRow)) return true;
  return (
    rows.protocol(row) === IPPROTO_TCP &&
    ((TCP_ENDING >>> last.stateSlot(lastRow)) & 1) === 1 &&
    ((TCP_BEGINNING >>> rows.stateSlot(row)) & 1) === 1
  );
}

function maskOf(...numbers: number[]): number {
  return numbers.reduce((mask, number) => mask | (1 << number), 0);
}
