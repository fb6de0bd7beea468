import { Account, LiveSeries, type Described, type SeriesTimes } from './account.ts';
import type { Edge } from './edge.ts';

/** Labels made again in one commit, for accounts that leave overflow: it blocks the thread. */
const DESCRIBED_AGAIN_MAX = 500;

export interface AccountBookOptions<Labels> {
  readonly seriesMax: number;
  readonly seriesTtlMs: number;
  readonly describe: (edge: Edge) => Labels;
  readonly describeOverflow: (primary: boolean) => Labels;
}

/**
 * Which attribute sets have a series of their own, at most `seriesMax`, and which share the overflow
 * series. While any account is in overflow every new one goes there too, so that the largest are
 * admitted first and no series ever shows a part of its connections.
 */
export class AccountBook<Labels extends object> {
  readonly #options: AccountBookOptions<Labels>;
  /** By JSON of the labels. */
  readonly #admitted = new Map<string, Account<Labels>>();
  /** By {@link hashOf} that JSON: strangers decide how many there are, so the text is not kept. */
  readonly #overflow = new Map<number, Account<Labels>>();
  /** By `primary`; one and the same where the labels do not tell it. */
  readonly #overflowSeries = new Map<boolean, LiveSeries<Labels>>();
  #ended: LiveSeries<Labels>[] = [];

  constructor(options: AccountBookOptions<Labels>) {
    this.#options = options;
  }

  /** The account of an edge as it is named now; what the edge has not been counted for does not show. */
  accountOf(edge: Edge, times: SeriesTimes): Account<Labels> {
    const described = this.#describe(edge);
    const admitted = this.#admitted.get(described.key);
    if (admitted !== undefined) return admitted;

    if (this.#overflow.size === 0 && this.#admitted.size < this.#options.seriesMax) {
      const account = new Account<Labels>(edge);
      this.#admit(account, described, times);
      return account;
    }
    const hash = hashOf(described.key);
    const known = this.#overflow.get(hash);
    if (known !== undefined) return known;
    const account = new Account<Labels>(edge);
    account.described = described;
    this.#fold(account, hash);
    return account;
  }

  /** All connections are about to be counted anew. */
  clear(): void {
    for (const account of this.#admitted.values()) {
      if (account.connections > 0) account.series?.clear();
      account.connections = 0;
    }
    for (const account of this.#overflow.values()) account.connections = 0;
    for (const series of this.#overflowSeries.values()) series.clear();
  }

  /** Forgets what has been idle for too long, and admits out of overflow what has grown larger. */
  settle(times: SeriesTimes): void {
    const takenAtMs = times.publishedAtMs;
    this.#ended = [];
    for (const [key, account] of this.#admitted) {
      const isIdle = account.seenAtMs < takenAtMs;
      if (isIdle && takenAtMs - account.seenAtMs >= this.#options.seriesTtlMs) {
        this.#end(key, account);
      }
    }
    for (const [hash, account] of this.#overflow) {
      if (account.connections === 0) this.#overflow.delete(hash);
    }
    if (this.#overflow.size === 0) return;
    this.#admitLargest(times);
    for (const account of this.#overflow.values()) account.described = undefined;
  }

  /** Where the edges that are, or are not, primary are counted while their account is not admitted. */
  overflowSeries(primary: boolean, times: SeriesTimes): LiveSeries<Labels> {
    const known = this.#overflowSeries.get(primary);
    if (known !== undefined) return known;
    const labels = this.#options.describeOverflow(primary);
    const other = this.#overflowSeries.get(!primary);
    const isShared = JSON.stringify(other?.labels) === JSON.stringify(labels);
    const series = other !== undefined && isShared ? other : new LiveSeries(labels, times);
    this.#overflowSeries.set(primary, series);
    return series;
  }

  /** Those that the last settling has ended. */
  get ended(): readonly LiveSeries<Labels>[] {
    return this.#ended;
  }

  /** All that live, once settled. */
  series(): LiveSeries<Labels>[] {
    const all = [...new Set(this.#overflowSeries.values())];
    for (const { series } of this.#admitted.values()) if (series !== undefined) all.push(series);
    return all;
  }

  /**
   * As long as there is room every account is admitted, the largest first; then each that has more
   * than twice the connections of the smallest with a series takes its place.
   */
  #admitLargest(times: SeriesTimes): void {
    let room = this.#options.seriesMax - this.#admitted.size;
    let describedAgain = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const { connections } of this.#admitted.values()) least = Math.min(least, connections);
    const candidates = byConnections(
      this.#overflow.values().filter(({ connections }) => room > 0 || connections > 2 * least),
    ).toReversed();
    const most = candidates[0]?.connections ?? 0;
    const displaceable = byConnections(
      this.#admitted.values().filter(({ connections }) => most > 2 * connections),
    ).values();

    for (const candidate of candidates) {
      if (candidate.described === undefined && ++describedAgain > DESCRIBED_AGAIN_MAX) continue;
      if (room > 0) {
        room--;
      } else {
        const smallest = displaceable.next().value;
        if (smallest === undefined || candidate.connections <= 2 * smallest.connections) return;
        this.#displace(smallest);
      }
      this.#overflow.delete(candidate.hash);
      this.#admit(candidate, candidate.described ?? this.#describe(candidate.sample), times);
    }
  }

  #describe(edge: Edge): Described<Labels> {
    const labels = this.#options.describe(edge);
    return { key: JSON.stringify(labels), labels };
  }

  #admit(account: Account<Labels>, described: Described<Labels>, times: SeriesTimes): void {
    account.series = new LiveSeries(described.labels, times);
    account.described = described;
    this.#admitted.set(described.key, account);
  }

  #displace(account: Account<Labels>): void {
    const { key } = account.described!;
    this.#end(key, account);
    account.series = undefined;
    if (account.connections > 0) this.#fold(account, hashOf(key));
  }

  #end(key: string, account: Account<Labels>): void {
    if (account.series !== undefined) this.#ended.push(account.series);
    this.#admitted.delete(key);
  }

  #fold(account: Account<Labels>, hash: number): void {
    account.hash = hash;
    this.#overflow.set(hash, account);
  }
}

/** The accounts with the fewest connections first; of equals, the one that came first. */
function byConnections<A extends { readonly connections: number }>(accounts: Iterable<A>): A[] {
  const all = [...accounts];
  // Numbers in a typed array sort several times faster than objects with a comparator.
  const ranks = Float64Array.from(all, ({ connections }, at) => connections * all.length + at);
  return Array.from(ranks.toSorted(), (rank) => all[rank % all.length]!);
}

/**
 * 53 bits of a text, from two FNV-1a walks with different primes. Among 100,000 attribute sets the
 * odds that any two share a hash, and then a series, are one in a million.
 */
function hashOf(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x2f0b4a27;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x85ebca6b);
  }
  return (low >>> 0) + (high >>> 11) * 0x1_0000_0000;
}
