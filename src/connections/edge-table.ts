import { hasPorts } from '../conntrack/entry.ts';
import { AF_INET } from '../netlink/constants.ts';
import { EdgeCounts } from './edge-counts.ts';
import { ROW_ROUTE_MASK, type EntryRows } from './entry-rows.ts';
import { HashIndex, hashWords } from './hash-index.ts';
import { FRESH, FRESH_WORDS, NO_PORT, type AddressTakeover, type EdgeColumns } from './snapshot.ts';
import { Takeovers } from './takeovers.ts';

const INITIAL_SLOTS = 256;
/** protocol | destination port << 16; backend port and source translation as in EntryRows */
const KEY_HEAD_WORDS = 2;
/** Source, destination, backend: as many addresses, and behind them as many numbers of takeovers. */
const KEY_ADDRESSES = 3;

/** What differs between the address families. */
export interface FamilyOptions {
  /** AF_INET or AF_INET6 */
  readonly family: number;
  /** 1 or 4 */
  readonly addressWords: number;
  /** of the hashes */
  readonly seed: number;
}

/**
 * The edges of one address family and their counts. An edge keeps its slot while it has connections;
 * settle() frees the slots of those that have none any more.
 */
export class EdgeTable {
  #counts = new EdgeCounts(INITIAL_SLOTS);
  readonly #family: number;
  readonly #addressWords: number;
  readonly #stride: number;
  readonly #seed: number;
  readonly #index = new HashIndex();
  readonly #takeovers: Takeovers;
  #keys: Uint32Array;
  #isLive = new Uint8Array(INITIAL_SLOTS);
  /** Slots below this one have been in use. */
  #high = 0;
  #live = 0;
  #free: number[] = [];
  #fresh: number[] = [];
  #ended: number[] = [];

  constructor(options: FamilyOptions) {
    this.#family = options.family;
    this.#addressWords = options.addressWords;
    this.#seed = options.seed;
    this.#takeovers = new Takeovers(options);
    this.#stride = KEY_HEAD_WORDS + KEY_ADDRESSES * (options.addressWords + 1);
    this.#keys = new Uint32Array(INITIAL_SLOTS * this.#stride);
  }

  /** Edges of this snapshot, those that have just lost their last connection included. */
  get liveCount(): number {
    return this.#live;
  }

  get freshCount(): number {
    return this.#fresh.length;
  }

  /** Of this snapshot, by slot. */
  get counts(): EdgeCounts {
    return this.#counts;
  }

  beginSnapshot(): void {
    this.#replaceCounts(this.#isLive.length);
    this.#fresh = [];
  }

  /** Gives the memory of the counts back: this snapshot is not reported again. */
  releaseCounts(): void {
    this.#replaceCounts(0);
  }

  /** Back to where beginSnapshot() was: the edges that are new since then are not there any more. */
  restartSnapshot(): void {
    this.#release(this.#fresh);
    this.beginSnapshot();
  }

  /** From now on slotOf() keeps what began before apart. Returns the slots that this can concern. */
  takeOver(takeovers: readonly AddressTakeover[]): ReadonlySet<number> {
    const added = new Takeovers({ addressWords: this.#addressWords });
    added.add(takeovers);
    this.#takeovers.add(takeovers);
    const slots = new Set<number>();
    for (let slot = 0; slot < this.#high; slot++) {
      for (let address = 0; address < KEY_ADDRESSES; address++) {
        const at = slot * this.#stride + KEY_HEAD_WORDS + address * this.#addressWords;
        if (added.has(this.#keys, at)) slots.add(slot);
      }
    }
    return slots;
  }

  /** What report() said stands: its edges without a connection are forgotten. */
  settle(): void {
    this.#release(this.#ended);
    this.#ended = [];
    if (!this.#takeovers.isEmpty) this.#takeovers.retain(this.#takeoversInUse());
  }

  /** Slot of the edge that an entry belongs to; the edge is new when it was not there. */
  slotOf(rows: EntryRows, row: number): number {
    // The key is written behind the last slot in use, where it stays if it is new.
    if (this.#free.length === 0) this.#reserve(this.#high + 1);
    const candidate = this.#free.at(-1) ?? this.#high;
    const key = candidate * this.#stride;
    this.#writeKey(rows, row, key);

    const keys = this.#keys;
    const stride = this.#stride;
    const { slots, mask } = this.#index;
    let at = hashWords(keys, key, stride, this.#seed) & mask;
    for (let found = slots[at]!; found !== 0; found = slots[at]!) {
      if (isEqual(keys, (found - 1) * stride, key, stride)) return found - 1;
      at = (at + 1) & mask;
    }

    if (this.#free.pop() === undefined) this.#high++;
    slots[at] = candidate + 1;
    this.#isLive[candidate] = 1;
    this.#live++;
    this.#fresh.push(candidate);
    if (!this.#index.hasRoomFor(this.#live)) this.#reindex();
    return candidate;
  }

  /** Writes this snapshot's rows from `row` on and the records of its new edges from word `fresh` on. */
  report(columns: EdgeColumns, options: { readonly row: number; readonly fresh: number }): void {
    let { row } = options;
    this.#ended = [];
    for (let slot = 0; slot < this.#high; slot++) {
      if (this.#isLive[slot] === 0) continue;
      columns.number[row] = this.#numberOf(slot);
      if (!this.#counts.report(slot, columns, row)) this.#ended.push(slot);
      row++;
    }
    this.#writeFresh(columns.fresh, options.fresh);
  }

  /** The two families share one space of numbers: IPv4 has the even ones. */
  #numberOf(slot: number): number {
    return slot * 2 + (this.#family === AF_INET ? 0 : 1);
  }

  #writeFresh(into: Uint32Array, start: number): void {
    const addressWords = this.#addressWords;
    let to = start;
    for (const slot of this.#fresh) {
      const from = slot * this.#stride;
      const head = this.#keys[from]!;
      const route = this.#keys[from + 1]!;
      const protocol = head & 0xff;
      const ports = hasPorts(protocol);
      into[to + FRESH.number] = this.#numberOf(slot);
      into[to + FRESH.family] = this.#family;
      into[to + FRESH.protocol] = protocol;
      into[to + FRESH.port] = ports ? head >>> 16 : NO_PORT;
      into[to + FRESH.backendPort] = ports ? route & 0xffff : NO_PORT;
      into[to + FRESH.sourceTranslated] = route >>> 16;
      for (let i = 0; i < addressWords; i++) {
        const address = from + KEY_HEAD_WORDS + i;
        into[to + FRESH.source + i] = this.#keys[address]!;
        into[to + FRESH.destination + i] = this.#keys[address + addressWords]!;
        into[to + FRESH.backend + i] = this.#keys[address + 2 * addressWords]!;
      }
      const takeovers = from + KEY_HEAD_WORDS + KEY_ADDRESSES * addressWords;
      into[to + FRESH.sourceTakeover] = this.#keys[takeovers]!;
      into[to + FRESH.destinationTakeover] = this.#keys[takeovers + 1]!;
      into[to + FRESH.backendTakeover] = this.#keys[takeovers + 2]!;
      to += FRESH_WORDS;
    }
  }

  #release(slots: readonly number[]): void {
    if (slots.length === 0) return;
    for (const slot of slots) {
      this.#isLive[slot] = 0;
      this.#free.push(slot);
    }
    this.#live -= slots.length;
    this.#reindex();
  }

  #writeKey(rows: EntryRows, row: number, key: number): void {
    const { words } = rows;
    const from = row * rows.stride;
    const protocol = rows.protocol(row);
    const port = hasPorts(protocol) ? words[from + 2]! & 0xffff : 0;
    this.#keys[key] = protocol | (port << 16);
    this.#keys[key + 1] = words[from + rows.flagsAt]! & ROW_ROUTE_MASK;
    const addresses = KEY_ADDRESSES * this.#addressWords;
    for (let i = 0; i < addresses; i++) this.#keys[key + KEY_HEAD_WORDS + i] = words[from + 3 + i]!;
    const takeovers = key + KEY_HEAD_WORDS + addresses;
    const start = rows.starts.get(row, 0);
    for (let i = 0; i < KEY_ADDRESSES; i++) {
      const at = key + KEY_HEAD_WORDS + i * this.#addressWords;
      this.#keys[takeovers + i] = this.#takeovers.numberOf(this.#keys, at, start);
    }
  }

  #takeoversInUse(): ReadonlySet<number> {
    const numbers = new Set<number>();
    for (let slot = 0; slot < this.#high; slot++) {
      if (this.#isLive[slot] === 0) continue;
      const end = (slot + 1) * this.#stride;
      for (let at = end - KEY_ADDRESSES; at < end; at++) numbers.add(this.#keys[at]!);
    }
    return numbers;
  }

  #replaceCounts(slots: number): void {
    this.#counts.release();
    this.#counts = new EdgeCounts(slots);
  }

  #reserve(slots: number): void {
    if (slots <= this.#isLive.length) return;
    // Little is spare: while it grows, what there was is there too.
    const size = Math.ceil(this.#isLive.length * 1.25);
    this.#keys = grown(this.#keys, size * this.#stride);
    this.#counts.grow(size);
    const isLive = new Uint8Array(size);
    isLive.set(this.#isLive);
    this.#isLive = isLive;
  }

  #reindex(): void {
    this.#index.reset(this.#live * 2);
    const { slots, mask } = this.#index;
    for (let slot = 0; slot < this.#high; slot++) {
      if (this.#isLive[slot] === 0) continue;
      let at = hashWords(this.#keys, slot * this.#stride, this.#stride, this.#seed) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = slot + 1;
    }
  }
}

function isEqual(words: Uint32Array, a: number, b: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (words[a + i] !== words[b + i]) return false;
  return true;
}

function grown(words: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(length);
  larger.set(words);
  return larger;
}
