import { Account, LiveSeries, type SeriesTimes } from './account.ts';
import type { Edge } from './edge.ts';
import { savedSeries, type SavedSeries } from './saved-ledger.ts';

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
  /** By {@link hashOf} the JSON of the labels, a text that would take a fifth of the agent's memory. */
  readonly #admitted = new Map<number, Account<Labels>>();
  /** The same; of these the labels are not kept either, for strangers decide how many there are. */
  readonly #overflow = new Map<number, Account<Labels>>();
  /** By `primary`; one and the same where the labels do not tell it. */
  readonly #overflowSeries = new Map<boolean, LiveSeries<Labels>>();
  #ended: LiveSeries<Labels>[] = [];

  constructor(options: AccountBookOptions<Labels>) {
    this.#options = options;
  }

  /**
   * The account of an edge as it is named now; what the edge has not been counted for does not show.
   * `isNew`: it is in no snapshot before the one in hand.
   */
  accountOf(edge: Edge, times: SeriesTimes, isNew = false): Account<Labels> {
    const labels = this.#options.describe(edge);
    const hash = hashOf(JSON.stringify(labels));
    const known = this.#admitted.get(hash) ?? this.#overflow.get(hash);
    if (known !== undefined) {
      known.isNew &&= isNew;
      return known;
    }

    const account = new Account<Labels>(edge, { labels, hash });
    account.isNew = isNew;
    if (this.#overflow.size === 0 && this.#admitted.size < this.#options.seriesMax) {
      this.#admit(account, labels, times);
    } else {
      this.#overflow.set(hash, account);
    }
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
    for (const account of this.#admitted.values()) {
      const isIdle = account.seenAtMs < takenAtMs;
      if (isIdle && takenAtMs - account.seenAtMs >= this.#options.seriesTtlMs) {
        this.#end(account);
      }
    }
    for (const [hash, account] of this.#overflow) {
      if (account.connections === 0) this.#overflow.delete(hash);
    }
    if (this.#overflow.size === 0) return;
    this.#admitLargest(times);
    for (const account of this.#overflow.values()) {
      account.labels = undefined;
      account.isNew = false;
    }
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

  /** All that live, in the order of series(). */
  *save(): Generator<SavedSeries<Labels>> {
    for (const series of new Set(this.#overflowSeries.values())) {
      const places = this.#overflowSeries.entries().filter(([, other]) => other === series);
      yield savedSeries(series, { overflowOf: Array.from(places, ([primary]) => primary) });
    }
    for (const { series, seenAtMs } of this.#admitted.values()) {
      if (series !== undefined) yield savedSeries(series, { seenAtMs: Math.max(0, seenAtMs) });
    }
  }

  /** Only before all else. Returns the series in the order of what was saved. */
  restore(saved: Iterable<SavedSeries<Labels>>): LiveSeries<Labels>[] {
    return Array.from(saved, (one) => {
      const series = LiveSeries.of(one);
      for (const primary of one.overflowOf ?? []) this.#overflowSeries.set(primary, series);
      if (one.overflowOf !== undefined) return series;
      const { labels } = one;
      const hash = hashOf(JSON.stringify(labels));
      const account = new Account<Labels>(undefined, { labels, hash });
      account.series = series;
      account.seenAtMs = one.seenAtMs ?? one.publishedAtMs;
      this.#admitted.set(hash, account);
      return series;
    });
  }

  /**
   * As long as there is room every account is admitted, the largest first; then each that has more
   * than twice the connections of the smallest with a series takes its place. A new one does so with the
   * next snapshot: of strangers that come once, each would end a series that no scraper has seen yet.
   */
  #admitLargest(times: SeriesTimes): void {
    let room = this.#options.seriesMax - this.#admitted.size;
    let describedAgain = 0;
    let least = Number.POSITIVE_INFINITY;
    for (const { connections } of this.#admitted.values()) least = Math.min(least, connections);
    const candidates = byConnections(
      this.#overflow
        .values()
        .filter(({ connections, isNew }) => room > 0 || (!isNew && connections > 2 * least)),
    ).toReversed();
    const most = candidates[0]?.connections ?? 0;
    const displaceable = byConnections(
      this.#admitted.values().filter(({ connections }) => most > 2 * connections),
    ).values();

    for (const candidate of candidates) {
      if (room === 0 && candidate.isNew) continue;
      if (candidate.labels === undefined && ++describedAgain > DESCRIBED_AGAIN_MAX) continue;
      if (room > 0) {
        room--;
      } else {
        const smallest = displaceable.next().value;
        if (smallest === undefined || candidate.connections <= 2 * smallest.connections) return;
        this.#displace(smallest);
      }
      this.#overflow.delete(candidate.hash);
      const labels = candidate.labels ?? this.#options.describe(candidate.sample!);
      this.#admit(candidate, labels, times);
    }
  }

  #admit(account: Account<Labels>, labels: Labels, times: SeriesTimes): void {
    account.series = new LiveSeries(labels, times);
    account.labels = labels;
    this.#admitted.set(account.hash, account);
  }

  #displace(account: Account<Labels>): void {
    this.#end(account);
    account.series = undefined;
    if (account.connections > 0) this.#overflow.set(account.hash, account);
  }

  #end({ hash, series }: Account<Labels>): void {
    if (series !== undefined) this.#ended.push(series);
    this.#admitted.delete(hash);
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
