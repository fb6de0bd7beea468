/**
 * What one dump of the kernel's table told us, already counted. It crosses from the worker to the
 * main thread as numbers in transferred typed arrays: per edge, never per entry.
 *
 * A tallied edge is the finest thing that is counted: source, destination, destination port and
 * transport of the original tuple, and the backend of the reply tuple. Client ports never appear.
 */

import type { Statistics } from '../conntrack/statistics.ts';

/** Connection states that one edge can have at once; `stateName()` in conntrack/state.ts names them. */
export const STATE_SLOTS = 16;

/** Numbers of one row in {@link EdgeColumns.traffic}. */
export const TRAFFIC_COLUMNS = 4;

/** Words of one record in {@link EdgeColumns.fresh}. */
export const FRESH_WORDS = 21;

/** Word offsets inside one record of {@link EdgeColumns.fresh}. */
export const FRESH = {
  /** the edge's number */
  number: 0,
  /** AF_INET (2) or AF_INET6 (10) */
  family: 1,
  /** IANA protocol number */
  protocol: 2,
  /** destination port of the original tuple, host order; NO_PORT where the protocol has none */
  port: 3,
  /** source port of the reply tuple, host order; NO_PORT where the protocol has none */
  backendPort: 4,
  /** 1 when the reply's destination address differs from the original source address, else 0 */
  sourceTranslated: 5,
  /** source address of the original tuple: 16 bytes in network order, IPv4 in the first 4 */
  source: 6,
  /** destination address of the original tuple */
  destination: 10,
  /** source address of the reply tuple */
  backend: 14,
  /** {@link AddressTakeover.number} of the takeover that ended its owner's time; 0 for the present owner */
  sourceTakeover: 18,
  destinationTakeover: 19,
  backendTakeover: 20,
} as const;

export const NO_PORT = 0xffff_ffff;

/** One row an edge; `number`, `opened` and `closed` have one value a row. */
export interface EdgeColumns {
  /** The edge's number: stable while the edge has connections, free for another one after that. */
  readonly number: Uint32Array<ArrayBuffer>;
  /** Connections opened since the last snapshot; 0 in a baseline. */
  readonly opened: Uint32Array<ArrayBuffer>;
  /** Of all connections ever counted as opened: those that left the table since the last snapshot. */
  readonly closed: Uint32Array<ArrayBuffer>;
  /** STATE_SLOTS values a row: connections in the table now, by state slot. A row of zeros ends the number. */
  readonly active: Uint32Array<ArrayBuffer>;
  /** SIGNAL_SLOTS values a row, see signals.ts: connections that are idle, half-closed, unanswered now. */
  readonly signals: Uint32Array<ArrayBuffer>;
  /**
   * When the oldest connection began that has not ended (of TCP those before LAST_ACK), in ms since the
   * epoch; 0 where there is none. Negative where the kernel does not say: it is there since then at least.
   */
  readonly oldest: Float64Array<ArrayBuffer>;
  /**
   * TRAFFIC_COLUMNS values a row: packets and bytes of the original direction, then of the reply, since
   * the last snapshot. Of what ended in between, the part behind that one is not known. Empty where the
   * kernel does not account.
   */
  readonly traffic: Float64Array<ArrayBuffer>;
  /** FRESH_WORDS a record: the keys of the edges that got their number in this snapshot. */
  readonly fresh: Uint32Array<ArrayBuffer>;
}

/** An address passed from one owner to another: what began before belongs to the former one. */
export interface AddressTakeover {
  /** From 1; never used again. */
  readonly number: number;
  /** Canonical text. */
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
}

export interface Snapshot {
  /** True for the first snapshot of a worker: numbers start anew, nothing is opened or closed. */
  readonly baseline: boolean;
  /** Wall clock when the dump ended, milliseconds since the epoch. */
  readonly takenAtMs: number;
  readonly durationMs: number;
  /** Entries that were counted. */
  readonly entries: number;
  /** Messages that were skipped because they could not be decoded. */
  readonly malformed: number;
  /** Dumps thrown away and repeated before this one. */
  readonly repeated: number;
  /** False where the kernel has no ctnetlink; the table then counts as empty. */
  readonly available: boolean;
  /** The kernel says when connections began (nf_conntrack_timestamp), at least of some. */
  readonly timestamped: boolean;
  /** The kernel's own count of the table, and its limit (nf_conntrack_max), in this network namespace. */
  readonly tableEntries: number;
  readonly tableLimit: number | undefined;
  /** Of the kernel, since the worker's first snapshot; undefined where it has no ctnetlink. */
  readonly statistics: Statistics | undefined;
  /** Addresses of this network namespace's interfaces, loopback included, in canonical text. */
  readonly localAddresses: readonly string[];
  readonly edges: EdgeColumns;
}
