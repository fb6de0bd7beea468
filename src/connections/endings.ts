import type { Timeouts } from '../conntrack/timeouts.ts';
import type { FamilyOptions } from './edge-table.ts';
import { EntryRows } from './entry-rows.ts';
import { HashIndex, hashWords } from './hash-index.ts';

/**
 * Ends kept between two snapshots, for each address family: a node that has more of them in a poll
 * interval is told of it as of an overflow. 40 bytes each, of IPv4.
 */
const ENDINGS_MAX = 262_144;

const INITIAL_ENDINGS = 1024;

export interface EndingsOptions extends FamilyOptions {
  /** Events tell of ends beside the dumps. */
  readonly followsEvents: boolean;
}

/** Of a connection that is gone nothing is told but that it was there. */
const NO_TIMEOUTS: Timeouts = {
  tcpEstablished: undefined,
  sctpEstablished: undefined,
  tcpStalled: undefined,
};

// What an end is the end of.
/** A connection that no snapshot has: it was opened and closed since the last one. */
const SHORT = 0;
/** A row of the last snapshot that is not there any more. */
const TAKEN = 1;
/** It came while the dump went on, and the dump has a row of this identity: the next one will tell. */
const KEPT = 2;

/**
 * The ends that events told of since the last snapshot, of one address family, and what each is the end
 * of. What is opened and what is closed is decided by the snapshots; an end that they do not explain is
 * of a connection that came and went between them. See docs/decisions/0015.
 *
 * Of each identity there is one row at most in a dump, and its connections follow each other. The ends
 * that were told before the dump began are of connections before that row. Those that came during the dump
 * may be of the row or from before it: where there is one, they wait for the next dump, for which they
 * are from before. So every end is explained by one row of a snapshot, or counted as short, once.
 */
export class Endings {
  readonly #seed: number;
  readonly #followsEvents: boolean;
  #told: ToldEndings;
  /** Told since the dump was counted, and those that it kept. */
  #later: ToldEndings;
  /**
   * Rows that were gone by the last dump, and nobody had told of their end. A dump leaves out what has expired,
   * but it removes eight entries at most of a bucket (ctnetlink_dump_table()): the end of others is told
   * later, and has been counted by then.
   */
  #overdue: EntryRows;
  /** The same of the dump in hand. */
  #nextOverdue: EntryRows;
  #isCounted = false;
  /** Rows below this one were told before the dump began. */
  #certain = 0;
  /** The first row of each identity. */
  readonly #index = new HashIndex();
  /** The next row of the same identity, or -1. */
  #next = new Int32Array(0);
  /** Of the first row of an identity: its last one. */
  #final = new Int32Array(0);
  #fates = new Uint8Array(0);

  constructor({ seed, addressWords, followsEvents }: EndingsOptions) {
    this.#seed = seed;
    this.#followsEvents = followsEvents;
    this.#told = new ToldEndings(addressWords);
    this.#later = new ToldEndings(addressWords);
    this.#overdue = emptyRows(addressWords);
    this.#nextOverdue = emptyRows(addressWords);
  }

  /** Those of the dump in hand; isShort() tells which of them no snapshot explains. */
  get rows(): EntryRows {
    return this.#told.rows;
  }

  /**
   * `entry` of an event, and how long its connection lasted, if that is known. False when there is no room
   * for it any more: it is lost.
   */
  add(entry: Uint32Array, lastedMs = Number.NaN): boolean {
    const told = this.#isCounted ? this.#later : this.#told;
    if (told.rows.count === ENDINGS_MAX) return false;
    told.add(entry, lastedMs);
    return true;
  }

  /** Of the dump in hand, in ms; NaN where it is not known. */
  lastedMs(ending: number): number {
    return this.#told.lastedMs(ending);
  }

  /** A dump begins: what is added from now on comes during it. */
  begin(): void {
    if (this.#isCounted) {
      [this.#told, this.#later] = [this.#later, this.#told];
      this.#later.rows.clear(NO_TIMEOUTS);
      [this.#overdue, this.#nextOverdue] = [this.#nextOverdue, this.#overdue];
      this.#isCounted = false;
    }
    this.#certain = this.rows.count;
  }

  /** Finds those that have to do with the rows of a dump, and marks the rows behind an end. */
  match(dump: EntryRows): void {
    const { count } = this.rows;
    this.#nextOverdue.clear(NO_TIMEOUTS);
    this.#reserve(count);
    this.#fates.fill(SHORT, 0, count);
    if (count === 0) return;
    this.#link();
    for (let row = 0; row < this.#overdue.count; row++) this.#takeFirst(this.#overdue, row);
    for (let row = 0; row < dump.count; row++) {
      const first = this.#find(dump, row);
      if (first >= 0 && this.#keepFrom(first, dump, row) > 0) dump.markEnded(row);
    }
  }

  /** The end of a row that is not there any more, or -1 where none was told. */
  take(dump: EntryRows, row: number): number {
    const ending = this.#takeFirst(dump, row);
    if (ending < 0 && this.#followsEvents) this.#nextOverdue.copy(dump, row);
    return ending;
  }

  /** Once all rows that are not there any more have taken theirs. */
  isShort(ending: number): boolean {
    return this.#fates[ending] === SHORT;
  }

  /** The dump is counted: what it kept is for the next one. A baseline, whose past is not known, keeps nothing. */
  finish({ isBaseline }: { readonly isBaseline: boolean }): void {
    this.#isCounted = true;
    if (isBaseline) return;
    for (let ending = 0; ending < this.rows.count; ending++) {
      if (this.#fates[ending] === KEPT) this.#later.copy(this.#told, ending);
    }
  }

  #takeFirst(dump: EntryRows, row: number): number {
    if (this.rows.count === 0) return -1;
    let ending = this.#find(dump, row);
    while (ending >= 0 && this.#fates[ending] === TAKEN) ending = this.#next[ending]!;
    if (ending >= 0) this.#fates[ending] = TAKEN;
    return ending;
  }

  /** Keeps what may be the end of the dump's row, and all behind it; returns how many are before that. */
  #keepFrom(first: number, dump: EntryRows, row: number): number {
    const own = this.#endOf(first, dump, row);
    let before = 0;
    for (let ending = first; ending >= 0; ending = this.#next[ending]!) {
      if (this.#fates[ending] === TAKEN) continue;
      if (own >= 0 && ending >= own) this.#fates[ending] = KEPT;
      else before++;
    }
    return before;
  }

  /**
   * What may be the end of the dump's row: the first that came during the dump. That of a row which is
   * dying may have come before: the kernel sends it just before it removes the entry.
   */
  #endOf(first: number, dump: EntryRows, row: number): number {
    const isDying = dump.isDying(row);
    let own = -1;
    for (let ending = first; ending >= 0; ending = this.#next[ending]!) {
      if (this.#fates[ending] === TAKEN) continue;
      const isBefore = ending < this.#certain;
      if ((isBefore && !isDying) || !this.#mayBeOf(ending, dump, row)) continue;
      if (isBefore || own < 0) own = ending;
    }
    return own;
  }

  #mayBeOf(ending: number, dump: EntryRows, row: number): boolean {
    const rows = this.rows;
    return (
      rows.isSameRoute(ending, dump, row) && rows.starts.get(ending, 0) === dump.starts.get(row, 0)
    );
  }

  /** Brings those of the same identity together, in their order. */
  #link(): void {
    const rows = this.rows;
    this.#index.reset(rows.count);
    this.#next.fill(-1, 0, rows.count);
    const { slots } = this.#index;
    for (let row = 0; row < rows.count; row++) {
      const at = this.#slotOf(rows, row);
      const first = slots[at]! - 1;
      if (first < 0) slots[at] = row + 1;
      else this.#next[this.#final[first]!] = row;
      this.#final[first < 0 ? row : first] = row;
    }
  }

  #find(dump: EntryRows, row: number): number {
    return this.#index.slots[this.#slotOf(dump, row)]! - 1;
  }

  /** The slot of the index with the row's identity, or the free one where it would be. */
  #slotOf(rows: EntryRows, row: number): number {
    const { slots, mask } = this.#index;
    let at = hashWords(rows.words, row * rows.stride, rows.identityWords, this.#seed) & mask;
    while (slots[at] !== 0 && !this.rows.isSame(slots[at]! - 1, rows, row)) at = (at + 1) & mask;
    return at;
  }

  #reserve(count: number): void {
    if (count <= this.#fates.length) return;
    this.#fates = new Uint8Array(count * 2);
    this.#next = new Int32Array(count * 2);
    this.#final = new Int32Array(count * 2);
  }
}

function emptyRows(addressWords: number): EntryRows {
  const rows = new EntryRows(addressWords);
  rows.clear(NO_TIMEOUTS);
  return rows;
}

class ToldEndings {
  readonly rows: EntryRows;
  #lastedMs = new Float64Array(INITIAL_ENDINGS);

  constructor(addressWords: number) {
    this.rows = emptyRows(addressWords);
  }

  add(entry: Uint32Array, lastedMs: number): void {
    this.#note(lastedMs);
    this.rows.add(entry);
  }

  copy(other: ToldEndings, row: number): void {
    this.#note(other.lastedMs(row));
    this.rows.copy(other.rows, row);
  }

  lastedMs(row: number): number {
    return this.#lastedMs[row]!;
  }

  /** Of the row that comes next. */
  #note(lastedMs: number): void {
    if (this.rows.count === this.#lastedMs.length) {
      const larger = new Float64Array(this.#lastedMs.length * 2);
      larger.set(this.#lastedMs);
      this.#lastedMs = larger;
    }
    this.#lastedMs[this.rows.count] = lastedMs;
  }
}
