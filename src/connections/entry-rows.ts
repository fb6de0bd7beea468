import { ENTRY, hasPorts } from '../conntrack/entry.ts';
import { stateSlot } from '../conntrack/state.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';
import { SIGNAL_BITS, signalsOf } from './signals.ts';
import { TRAFFIC_COLUMNS } from './snapshot.ts';

/** As a constant of this module V8 folds it into the code; conntrack/tuple.ts says more. */
const FIELD = ENTRY;

/** Bits of a row's flags word. */
const STATE_SHIFT = 20;
const STATE_MASK = 0xf;
/** The connection was there when khan began to look: it is never counted as opened or closed. */
export const ROW_BASELINE = 1 << 24;
const SIGNALS_SHIFT = 25;
const SIGNALS_MASK = (1 << SIGNAL_BITS) - 1;
/** What may differ between two rows of one connection without any more to be said. */
const ROW_PASSING = ROW_BASELINE | (SIGNALS_MASK << SIGNALS_SHIFT);
/** Edge of a row that is not counted: not yet, or never, since the dump brought its entry twice. */
export const NO_EDGE = 0xffff_ffff;
/** Port and translation: the part of the flags that belongs to the edge. */
export const ROW_ROUTE_MASK = 0x1ffff;
const ROUTE_TRANSLATED = 0x10000;

const INITIAL_ROWS = 1024;

/**
 * The entries of one dump and one address family, as rows of a Uint32Array in the order of the dump:
 *
 *     0          id
 *     1          protocol | zone << 16
 *     2          discriminator: the ports of the original tuple, or what stands for them
 *     3          source address, destination address, backend address (`addressWords` each)
 *     +0         backend port | source translated << 16 | state slot << 20 | ROW_* | signals << 25
 *     +1         slot of the edge, set by the tally, or NO_EDGE
 *     +2         when the tally saw it first, in seconds since the epoch
 *
 * Words 0 up to the backend are the entry's identity: (id, original tuple, zone).
 */
export class EntryRows {
  readonly addressWords: number;
  readonly stride: number;
  readonly identityWords: number;
  readonly flagsAt: number;
  readonly edgeAt: number;
  readonly seenAt: number;
  words: Uint32Array;
  count = 0;
  /** CTA_TIMESTAMP_START by row, in ns; 256 ns is the grain of a double at this size. */
  readonly starts = new SparseColumns(1);
  /** By row: packets and bytes of the original direction, packets and bytes of the reply. */
  readonly traffic = new SparseColumns(TRAFFIC_COLUMNS);
  #timeouts: Timeouts | undefined;

  constructor(addressWords: number) {
    this.addressWords = addressWords;
    this.identityWords = 3 + 2 * addressWords;
    this.flagsAt = 3 + 3 * addressWords;
    this.edgeAt = this.flagsAt + 1;
    this.seenAt = this.edgeAt + 1;
    this.stride = this.seenAt + 1;
    this.words = new Uint32Array(this.stride * INITIAL_ROWS);
  }

  /** `timeouts` are those of the table whose entries are added next. */
  clear(timeouts: Timeouts): void {
    this.count = 0;
    this.#timeouts = timeouts;
    this.starts.clear();
    this.traffic.clear();
  }

  /** No row is counted any more. */
  uncount(): void {
    for (let row = 0; row < this.count; row++)
      this.words[row * this.stride + this.edgeAt] = NO_EDGE;
  }

  /** Appends a decoded entry (see conntrack/entry.ts). */
  add(entry: Uint32Array): void {
    const row = this.count++;
    let at = row * this.stride;
    if (at === this.words.length) this.words = grown(this.words);
    const { words, addressWords } = this;

    const protocol = entry[FIELD.protocol]!;
    words[at++] = entry[FIELD.id]!;
    words[at++] = protocol | (entry[FIELD.zone]! << 16);
    words[at++] = entry[FIELD.discriminator]!;
    let translated = 0;
    for (let i = 0; i < addressWords; i++) {
      const source = entry[FIELD.source + i]!;
      words[at + i] = source;
      words[at + addressWords + i] = entry[FIELD.destination + i]!;
      words[at + 2 * addressWords + i] = entry[FIELD.replySource + i]!;
      if (source !== entry[FIELD.replyDestination + i]!) translated = ROUTE_TRANSLATED;
    }
    at += 3 * addressWords;
    const backendPort = hasPorts(protocol) ? entry[FIELD.replyDiscriminator]! >>> 16 : 0;
    const state = stateSlot(protocol, entry[FIELD.state]!, entry[FIELD.status]!);
    const signals = signalsOf(entry, state, this.#timeouts!);
    words[at] = backendPort | translated | (state << STATE_SHIFT) | (signals << SIGNALS_SHIFT);
    words[at + 1] = NO_EDGE;

    if (entry[FIELD.start] !== 0) this.starts.set(row, 0, double(entry, FIELD.start));
    const packets = FIELD.packetsOriginal;
    const replyPackets = FIELD.packetsReply;
    if ((entry[packets]! | entry[packets + 1]! | entry[replyPackets + 1]!) !== 0) {
      for (let column = 0; column < TRAFFIC_COLUMNS; column++) {
        this.traffic.set(row, column, double(entry, packets + 2 * column));
      }
    }
  }

  get #isPlain(): boolean {
    return this.starts.isEmpty && this.traffic.isEmpty;
  }

  /** Of both directions; 0 where the kernel does not account. */
  packets(row: number): number {
    return this.traffic.get(row, 0) + this.traffic.get(row, 2);
  }

  signals(row: number): number {
    return (this.words[row * this.stride + this.flagsAt]! >>> SIGNALS_SHIFT) & SIGNALS_MASK;
  }

  protocol(row: number): number {
    return this.words[row * this.stride + 1]! & 0xff;
  }

  stateSlot(row: number): number {
    return (this.words[row * this.stride + this.flagsAt]! >>> STATE_SHIFT) & STATE_MASK;
  }

  isCounted(row: number): boolean {
    return this.words[row * this.stride + this.edgeAt] !== NO_EDGE;
  }

  /**
   * True when a counted row and this one are of the same connection in the same state, and there is
   * neither a start time nor a number of packets to tell them apart. Most rows of most dumps.
   */
  isUnchanged(row: number, other: EntryRows, otherRow: number): boolean {
    const { words, flagsAt, stride } = this;
    const theirs = other.words;
    const a = row * stride;
    const b = otherRow * stride;
    for (let i = 0; i < flagsAt; i++) if (words[a + i] !== theirs[b + i]) return false;
    const differences = (words[a + flagsAt]! ^ theirs[b + flagsAt]!) & ~ROW_PASSING;
    const isPlain = this.#isPlain && other.#isPlain;
    return differences === 0 && isPlain && theirs[b + this.edgeAt] !== NO_EDGE;
  }

  /** True when both rows are of the same (id, original tuple, zone). */
  isSame(row: number, other: EntryRows, otherRow: number): boolean {
    const { words, identityWords, stride } = this;
    const theirs = other.words;
    for (let i = 0, a = row * stride, b = otherRow * stride; i < identityWords; i++, a++, b++) {
      if (words[a] !== theirs[b]) return false;
    }
    return true;
  }

  /** True when two rows of the same identity also have the same backend and source translation. */
  isSameRoute(row: number, other: EntryRows, otherRow: number): boolean {
    const { words, identityWords, flagsAt, stride } = this;
    const theirs = other.words;
    const a = row * stride;
    const b = otherRow * stride;
    for (let i = identityWords; i < flagsAt; i++) {
      if (words[a + i] !== theirs[b + i]) return false;
    }
    return ((words[a + flagsAt]! ^ theirs[b + flagsAt]!) & ROW_ROUTE_MASK) === 0;
  }
}

/** Numbers a row, of which most snapshots have none: they take memory with the first that is not 0. */
class SparseColumns {
  readonly #columns: number;
  #values: Float64Array | undefined;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** No row has a value, or ever had one. */
  get isEmpty(): boolean {
    return this.#values === undefined;
  }

  clear(): void {
    this.#values?.fill(0);
  }

  set(row: number, column: number, value: number): void {
    const columns = this.#columns;
    let values = this.#values ?? new Float64Array(INITIAL_ROWS * columns);
    if (row * columns >= values.length) {
      const larger = new Float64Array(Math.max((row + 1) * columns, values.length * 2));
      larger.set(values);
      values = larger;
    }
    values[row * columns + column] = value;
    this.#values = values;
  }

  get(row: number, column: number): number {
    return this.#values?.[row * this.#columns + column] ?? 0;
  }
}

function grown(words: Uint32Array): Uint32Array {
  const larger = new Uint32Array(words.length * 2);
  larger.set(words);
  return larger;
}

function double(entry: Uint32Array, at: number): number {
  return entry[at]! * 0x1_0000_0000 + entry[at + 1]!;
}
