import { ENTRY } from '../conntrack/entry.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';
import { AF_INET, AF_INET6 } from '../netlink/constants.ts';
import { DURATION_COLUMNS } from './durations.ts';
import type { RowColumn } from './entry-rows.ts';
import { FamilyTally } from './family-tally.ts';
import { SIGNAL_SLOTS } from './signals.ts';
import {
  FRESH_WORDS,
  STATE_SLOTS,
  TRAFFIC_COLUMNS,
  type AddressTakeover,
  type EdgeColumns,
} from './snapshot.ts';

const FAMILY_NAMES = ['ipv4', 'ipv6'] as const;

interface TallyOptions {
  /** Random; see hashWords(). */
  readonly seed: number;
  /** There will be addEnding(). */
  readonly followsEvents?: boolean;
}

/**
 * Counts the entries of one dump after the other by edge, and tells which connections are new and
 * which are gone. Numbers only; nothing is allocated per entry.
 *
 * A dump is begin(), add() for every entry, and finish() when it came through whole. A dump that
 * failed needs nothing: the next begin() forgets it, and what finish() said last stays the truth.
 * Between finish() and the next begin(), divide() may say the same of a timestamped dump again, with the
 * connections of an address's former owner as edges of their own.
 */
export class Tally {
  readonly #ipv4: FamilyTally;
  readonly #ipv6: FamilyTally;
  #isBaseline = true;

  constructor({ seed, followsEvents = false }: TallyOptions) {
    const options = { seed, followsEvents };
    this.#ipv4 = new FamilyTally({ family: AF_INET, addressWords: 1, ...options });
    this.#ipv6 = new FamilyTally({ family: AF_INET6, addressWords: 4, ...options });
  }

  /** `timeouts` as they are when the dump begins. */
  begin(timeouts: Timeouts): void {
    this.#ipv4.begin(timeouts);
    this.#ipv6.begin(timeouts);
  }

  /** `entry` as decodeEntry() left it. */
  add(entry: Uint32Array): void {
    (entry[ENTRY.family] === AF_INET ? this.#ipv4 : this.#ipv6).add(entry);
  }

  /**
   * `entry` is about to leave the table, as an event told, and how long its connection lasted, if that is
   * known. A connection that no dump holds counts as opened and closed. All that were told by the end of a
   * dump are to be here before finish(). False when there is no room for it.
   */
  addEnding(entry: Uint32Array, lastedMs?: number): boolean {
    return (entry[ENTRY.family] === AF_INET ? this.#ipv4 : this.#ipv6).addEnding(entry, lastedMs);
  }

  /** `takenAtMs` is when the dump ended, in ms since the epoch. */
  finish({ takenAtMs }: { readonly takenAtMs: number }): Counted {
    const baseline = this.#isBaseline;
    this.#isBaseline = false;
    const how = { isBaseline: baseline, takenAtMs };
    const entries = this.#ipv4.finish(how) + this.#ipv6.finish(how);
    const timestamped = this.#isTimestamped;
    const edges = this.#report();
    // Without times of beginning there is nothing to divide.
    if (!timestamped) for (const family of [this.#ipv4, this.#ipv6]) family.edges.releaseCounts();
    return { baseline, entries, timestamped, edges };
  }

  /**
   * From now on connections that began before a takeover are edges of their own. Returns what finish()
   * should have said of this dump; it replaces that. Throws an Error where the dump was not timestamped.
   */
  divide(takeovers: readonly AddressTakeover[]): EdgeColumns {
    if (!this.#isTimestamped)
      throw new Error('Cannot divide a snapshot: its entries have no times');
    this.#ipv4.divide(takeovers);
    this.#ipv6.divide(takeovers);
    return this.#report();
  }

  /**
   * All that the next dump is compared with, as bytes with names; undefined as long as no dump has come
   * through, and from begin() to finish(). Views that are true until the next call.
   */
  columns(): readonly RowColumn[] | undefined {
    const families = [this.#ipv4.columns(), this.#ipv6.columns()] as const;
    const columns = families.map((family, at) =>
      family?.map(({ name, bytes }) => ({ name: `${FAMILY_NAMES[at]}.${name}`, bytes })),
    );
    return columns.every((family) => family !== undefined) ? columns.flat() : undefined;
  }

  /**
   * A new tally goes on from the columns of one that is no more: the next dump is no baseline. Returns
   * their edges, all of them fresh, with nothing opened or closed. Throws an Error when they cannot be that.
   */
  resume(columns: readonly RowColumn[], takeovers: readonly AddressTakeover[]): EdgeColumns {
    for (const [at, family] of [this.#ipv4, this.#ipv6].entries()) {
      const prefix = `${FAMILY_NAMES[at]}.`;
      const own = columns
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, bytes }) => ({ name: name.slice(prefix.length), bytes }));
      family.resume(own, takeovers);
    }
    this.#isBaseline = false;
    return this.#report();
  }

  get #isTimestamped(): boolean {
    return this.#ipv4.isTimestamped || this.#ipv6.isTimestamped;
  }

  #report(): EdgeColumns {
    const ipv4 = this.#ipv4.edges;
    const ipv6 = this.#ipv6.edges;
    const rows = ipv4.liveCount + ipv6.liveCount;
    const isAccounted = ipv4.counts.hasTraffic || ipv6.counts.hasTraffic;
    const hasDurations = ipv4.counts.hasDurations || ipv6.counts.hasDurations;
    const columns = {
      number: new Uint32Array(rows),
      opened: new Uint32Array(rows),
      closed: new Uint32Array(rows),
      active: new Uint32Array(rows * STATE_SLOTS),
      signals: new Uint32Array(rows * SIGNAL_SLOTS),
      oldest: new Float64Array(rows),
      traffic: new Float64Array(isAccounted ? rows * TRAFFIC_COLUMNS : 0),
      durations: new Float64Array(hasDurations ? rows * DURATION_COLUMNS : 0),
      fresh: new Uint32Array((ipv4.freshCount + ipv6.freshCount) * FRESH_WORDS),
    };
    const ipv6Start = { row: ipv4.liveCount, fresh: ipv4.freshCount * FRESH_WORDS };
    ipv4.report(columns, { row: 0, fresh: 0 });
    ipv6.report(columns, ipv6Start);
    return columns;
  }
}

interface Counted {
  readonly baseline: boolean;
  /** How many different ones there were. */
  readonly entries: number;
  /** The kernel says when connections began, at least of some. */
  readonly timestamped: boolean;
  readonly edges: EdgeColumns;
}
