import { formatAddress } from '../net/address.ts';
import { AF_INET } from '../netlink/constants.ts';
import type { Edge } from './edge.ts';
import type { EndpointBook, SharedEndpoint } from './endpoint-book.ts';
import type { Exclusion } from './exclude.ts';
import { FRESH, FRESH_WORDS, NO_PORT, type EdgeColumns, type Snapshot } from './snapshot.ts';

/** Edges read between two pauses of {@link EdgeBook.read}. */
const SLICE_EDGES = 250;

/** Stands in for an edge that is left out: nothing but its number is kept. */
export const EXCLUDED = 'excluded';

export interface TrackedEdge<Account> extends Edge {
  readonly source: SharedEndpoint;
  readonly destination: SharedEndpoint;
  readonly backend: SharedEndpoint;
  /** Where it is counted; undefined until it has been named for the first time. */
  account: Account | undefined;
}

/** The edges that have connections now, by number. What a snapshot adds waits until settle(). */
export class EdgeBook<Account> {
  readonly #endpoints: EndpointBook;
  readonly #exclusion: Exclusion;
  /** By number: the tally hands out the lowest that are free. */
  #edges: (TrackedEdge<Account> | typeof EXCLUDED | undefined)[] = [];
  #fresh = new Map<number, TrackedEdge<Account> | typeof EXCLUDED>();

  constructor({ endpoints, exclusion }: { endpoints: EndpointBook; exclusion: Exclusion }) {
    this.#endpoints = endpoints;
    this.#exclusion = exclusion;
  }

  /**
   * Reads the snapshot's fresh edges, in place of those of a snapshot that was not settled, and pauses
   * at every yield. Throws an Error when the snapshot does not continue the last one that was; then
   * only a baseline can follow.
   */
  *read({ baseline, edges }: Pick<Snapshot, 'baseline' | 'edges'>): Generator<void, void> {
    const unsettled = this.#fresh;
    this.#fresh = new Map();
    try {
      const keys = new FreshKeys(edges.fresh);
      for (let at = 0; at < edges.fresh.length; at += FRESH_WORDS) {
        const number = keys.word(at, FRESH.number);
        if (this.#fresh.has(number) || (!baseline && this.#edges[number] !== undefined)) {
          throw new Error(
            `Cannot read a snapshot: edge ${number} is new, but its number is in use`,
          );
        }
        this.#fresh.set(number, this.#readEdge(keys, at));
        if (this.#fresh.size % SLICE_EDGES === 0) yield;
      }
      this.#checkRows(edges, baseline);
    } finally {
      // Afterwards, so that an address which both have stays the same object.
      this.#forget(unsettled.values());
    }
  }

  /** The edges to name: those just read, and those with an endpoint that was renamed. */
  *unnamed(): Iterable<TrackedEdge<Account>> {
    for (const edge of this.#fresh.values()) if (edge !== EXCLUDED) yield edge;
    for (const edge of this.#edges) {
      if (edge === undefined || edge === EXCLUDED) continue;
      const { source, destination, backend } = edge;
      if (source.isRenamed || destination.isRenamed || backend.isRenamed) yield edge;
    }
  }

  /** The fresh edges become known; a baseline's replace all others. */
  settle(baseline: boolean): void {
    if (baseline) {
      this.#forget(this.#edges);
      this.#edges = [];
    }
    for (const [number, edge] of this.#fresh) this.#edges[number] = edge;
    this.#fresh = new Map();
  }

  get(number: number): TrackedEdge<Account> | typeof EXCLUDED {
    const edge = this.#edges[number];
    if (edge === undefined) throw new Error(`Cannot find edge ${number}: no snapshot told its key`);
    return edge;
  }

  /** The edge has lost its last connection. */
  end(number: number): void {
    const edge = this.get(number);
    this.#edges[number] = undefined;
    if (edge !== EXCLUDED) this.#release(edge);
  }

  #readEdge(keys: FreshKeys, at: number): TrackedEdge<Account> | typeof EXCLUDED {
    const protocol = keys.word(at, FRESH.protocol);
    const port = keys.port(at, FRESH.port);
    if (this.#exclusion.hasDestination(protocol, port)) return EXCLUDED;
    const edge = {
      source: this.#acquire(keys, at, FRESH.source, FRESH.sourceTakeover),
      destination: this.#acquire(keys, at, FRESH.destination, FRESH.destinationTakeover),
      backend: this.#acquire(keys, at, FRESH.backend, FRESH.backendTakeover),
      protocol,
      port,
      backendPort: keys.port(at, FRESH.backendPort),
      sourceTranslated: keys.word(at, FRESH.sourceTranslated) === 1,
      primary: false,
      account: undefined,
    };
    if (!edge.source.isExcluded && !edge.destination.isExcluded) return edge;
    this.#release(edge);
    return EXCLUDED;
  }

  #acquire(keys: FreshKeys, at: number, address: number, takeover: number): SharedEndpoint {
    return this.#endpoints.acquire(keys.address(at, address), keys.word(at, takeover));
  }

  #checkRows({ number }: EdgeColumns, baseline: boolean): void {
    for (const edge of number) {
      if ((!baseline && this.#edges[edge] !== undefined) || this.#fresh.has(edge)) continue;
      throw new Error(`Cannot read a snapshot: it counts edge ${edge}, but none told its key`);
    }
  }

  #forget(edges: Iterable<TrackedEdge<Account> | typeof EXCLUDED | undefined>): void {
    for (const edge of edges) if (edge !== undefined && edge !== EXCLUDED) this.#release(edge);
  }

  #release({ source, destination, backend }: TrackedEdge<Account>): void {
    this.#endpoints.release(source);
    this.#endpoints.release(destination);
    this.#endpoints.release(backend);
  }
}

/** The fields of fresh records; `at` is the record's first word. */
class FreshKeys {
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;

  constructor(words: Uint32Array) {
    this.#words = words;
    this.#bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  }

  word(at: number, field: number): number {
    return this.#words[at + field]!;
  }

  port(at: number, field: number): number | undefined {
    const port = this.word(at, field);
    return port === NO_PORT ? undefined : port;
  }

  address(at: number, field: number): string {
    const start = (at + field) * Uint32Array.BYTES_PER_ELEMENT;
    const length = this.word(at, FRESH.family) === AF_INET ? 4 : 16;
    return formatAddress(this.#bytes.subarray(start, start + length));
  }
}
