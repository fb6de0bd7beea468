import { ENTRY, hasPorts } from '../conntrack/entry.ts';
import { stateSlot } from '../conntrack/state.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';
import { SIGNAL_BITS, signalsOf } from './signals.ts';
import { TRAFFIC_COLUMNS } from './snapshot.ts';
import { bytesOf, SparseColumns } from './sparse-columns.ts';

/** As a constant of this module V8 folds it into the code; conntrack/tuple.ts says more. */
const FIELD = ENTRY;

/** Bits of a row's flags word. */
const STATE_SHIFT = 20;
const STATE_MASK = 0xf;
/** An event has told that the last connection with this identity ended: this is another one. */
const ROW_ENDED = 1 << 17;
/** The kernel is about to remove it, and has sent the event or is about to: IPS_DYING. */
const ROW_DYING = 1 << 18;
/** enum ip_conntrack_status */
const IPS_DYING = 1 << 9;
/** The connection was there when khan began to look: it is never counted as opened or closed. */
export const ROW_BASELINE = 1 << 24;
const SIGNALS_SHIFT = 25;
const SIGNALS_MASK = (1 << SIGNAL_BITS) - 1;
/** What may differ between two rows of one connection without any more to be said. */
const ROW_PASSING = ROW_BASELINE | ROW_ENDED | (SIGNALS_MASK << SIGNALS_SHIFT);
/** Edge of a row that is not counted: not yet, or never, since the dump brought its entry twice. */
const NO_EDGE = 0xffff_ffff;
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
 *     +0         backend port | source translated << 16 | ROW_* | state slot << 20 | signals << 25
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
  words: Uint32Array<ArrayBuffer>;
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

  /**
   * All that the rows are, in the byte order of this machine: views that are true until the rows change.
   * A change of what they hold is another version of the agent's state (STATE_VERSION).
   */
  columns(): readonly RowColumn[] {
    const columns = [
      { name: 'words', bytes: bytesOf(this.words, this.count * this.stride) },
      { name: 'starts', bytes: this.starts.bytes(this.count) },
      { name: 'traffic', bytes: this.traffic.bytes(this.count) },
    ];
    return columns.filter(({ bytes }) => bytes.length > 0);
  }

  /** Takes what columns() gave in the place of all rows. Throws an Error when it cannot be that. */
  load(columns: readonly RowColumn[]): void {
    const bytesOfColumn = (name: string) => columns.find((one) => one.name === name)?.bytes;
    const bytes = bytesOfColumn('words') ?? new Uint8Array();
    const count = bytes.length / (this.stride * Uint32Array.BYTES_PER_ELEMENT);
    if (!Number.isInteger(count)) throw new Error(`Cannot load rows from ${bytes.length} bytes`);
    while (this.words.length < count * this.stride)
      this.words = new Uint32Array(this.words.length * 2);
    bytesOf(this.words, this.words.length).set(bytes);
    this.count = count;
    this.starts.load(bytesOfColumn('starts'), count);
    this.traffic.load(bytesOfColumn('traffic'), count);
  }

  /** `timeouts` are those of the table whose entries are added next. */
  clear(timeouts: Timeouts): void {
    this.count = 0;
    this.#timeouts = timeouts;
    this.starts.clear();
    this.traffic.clear();
  }

  /** Makes room for so many rows, and some more. Only while there is none. */
  reserve(rows: number): void {
    const length = Math.ceil((rows * 17) / 16) * this.stride;
    if (length > this.words.length) this.words = new Uint32Array(length);
  }

  /** Gives the memory of the rows back at once, which garbage would keep for a while. */
  release(): void {
    this.words.buffer.transfer(0);
    this.words = new Uint32Array(this.stride * INITIAL_ROWS);
    this.count = 0;
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
    if (at === this.words.length) this.#grow();
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
    const dying = (entry[FIELD.status]! & IPS_DYING) === 0 ? 0 : ROW_DYING;
    const route = backendPort | translated;
    words[at] = route | dying | (state << STATE_SHIFT) | (signals << SIGNALS_SHIFT);
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

  /** Appends a row of another dump. */
  copy(other: EntryRows, row: number): void {
    const to = this.count++;
    if (to * this.stride === this.words.length) this.#grow();
    const from = row * this.stride;
    this.words.set(other.words.subarray(from, from + this.stride), to * this.stride);
    if (!other.starts.isEmpty) this.starts.copy(to, other.starts, row);
    if (!other.traffic.isEmpty) this.traffic.copy(to, other.traffic, row);
  }

  #grow(): void {
    const { words } = this;
    this.words = new Uint32Array(words.length * 2);
    this.words.set(words);
    words.buffer.transfer(0);
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

  isDying(row: number): boolean {
    return (this.words[row * this.stride + this.flagsAt]! & ROW_DYING) !== 0;
  }

  isEnded(row: number): boolean {
    return (this.words[row * this.stride + this.flagsAt]! & ROW_ENDED) !== 0;
  }

  markEnded(row: number): void {
    this.words[row * this.stride + this.flagsAt]! |= ROW_ENDED;
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
    const flags = words[a + flagsAt]!;
    const differences = ((flags ^ theirs[b + flagsAt]!) & ~ROW_PASSING) | (flags & ROW_ENDED);
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

/** One column of the rows as bytes. */
export interface RowColumn {
  readonly name: string;
  readonly bytes: Uint8Array;
}

function double(entry: Uint32Array, at: number): number {
  return entry[at]! * 0x1_0000_0000 + entry[at + 1]!;
}
