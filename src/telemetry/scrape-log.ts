/** Clients that are remembered; above it the one that scraped longest ago is forgotten. */
const CLIENTS_MAX = 16;
/** Nobody scrapes less often than this: who comes back later is looked at as new. */
const AWAY_MS_MAX = 60 * 60_000;

interface Client {
  readonly scrapedAtMs: number;
  /** takenAtMs of the publication that the client has got last. */
  readonly seenAtMs: number;
}

export interface SavedClient extends Client {
  /** As the caller calls it. */
  readonly client: string;
}

/**
 * Who has seen what: decides how long the Prometheus page shows a new counter series as 0.
 *
 * Prometheus counts nothing for the first sample of a series: one born at 1 has an increase() of 0,
 * and one that is forgotten and reborn, 1 → 1, shows no reset. So a counter series must be seen at 0
 * before it is seen with its value. For each client it is released when one poll interval has passed
 * since it was published, and this client has got a page that had it at 0: the design's "one poll
 * interval or the longest gap between recent scrapes, whichever is longer", without measuring a gap,
 * so that neither scrape jitter nor somebody else's visits matter.
 *
 * What a client has seen is told by the time of the snapshot that was on its page, not by the time
 * of its scrape: a series becomes visible a while after its snapshot was taken, and a scrape in
 * between has not seen it. Clients that the caller cannot tell apart (a proxy's) count as one.
 *
 * Where a state is kept, only that counts as seen which the state knows: after a crash a page must not
 * hold what the page before it has shown.
 */
export class ScrapeLog {
  readonly #pollIntervalMs: () => number;
  /** Never goes back: what a page has shown is not held again when the poll interval grows. */
  #releasedMs = Number.NEGATIVE_INFINITY;
  /** By what the caller calls them, the latest last. */
  readonly #clients = new Map<string, Client>();
  /** As the state has them; undefined where none is kept. */
  #saved: ReadonlyMap<string, Client> | undefined;
  /** takenAtMs of the state that this log went on from. */
  #restoredMs = Number.NEGATIVE_INFINITY;

  constructor({ pollIntervalMs }: { readonly pollIntervalMs: () => number }) {
    this.#pollIntervalMs = pollIntervalMs;
  }

  /**
   * Counter series published later than this show 0 on a page for `client`. The later the horizon,
   * the more a page shows; a page with an earlier one is right for this client too.
   */
  horizonMs(client: string, nowMs: number): number {
    const releasedMs = this.#release(nowMs);
    const known = this.#clients.get(client);
    if (known === undefined || nowMs - known.scrapedAtMs > AWAY_MS_MAX) return releasedMs;
    const savedAtMs = this.#saved?.get(client)?.seenAtMs ?? Number.POSITIVE_INFINITY;
    return Math.min(releasedMs, known.seenAtMs, savedAtMs);
  }

  save(): readonly SavedClient[] {
    // Who came before the first publication has seen nothing: -Infinity, which JSON does not know.
    return Array.from(this.#clients, ([client, { scrapedAtMs, seenAtMs }]) => {
      return { client, scrapedAtMs, seenAtMs: Math.max(0, seenAtMs) };
    });
  }

  /** A state has these clients. */
  saved(clients: readonly SavedClient[]): void {
    this.#saved = new Map(clients.map(({ client, ...seen }) => [client, seen]));
  }

  /** Goes on from the clients of a state, and of the snapshot taken at `takenAtMs`. */
  restore(clients: readonly SavedClient[], takenAtMs: number): void {
    this.saved(clients);
    this.#restoredMs = takenAtMs;
    for (const { client, ...seen } of clients) this.#clients.set(client, seen);
  }

  /**
   * Notes that `client` has got a page with the publication taken at `seenAtMs`; -Infinity while there is
   * none, which does not undo what the client may have seen before a restart.
   */
  note(client: string, { nowMs, seenAtMs }: { nowMs: number; seenAtMs: number }): void {
    const before =
      this.#clients.get(client)?.seenAtMs ?? Math.min(this.#release(nowMs), this.#restoredMs);
    this.#clients.delete(client);
    this.#clients.set(client, {
      scrapedAtMs: nowMs,
      seenAtMs: Number.isFinite(seenAtMs) ? seenAtMs : before,
    });
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > CLIENTS_MAX && oldest !== undefined) this.#clients.delete(oldest);
  }

  /** Series that were published later are too new for whoever comes for the first time. */
  #release(nowMs: number): number {
    this.#releasedMs = Math.max(this.#releasedMs, nowMs - this.#pollIntervalMs());
    return this.#releasedMs;
  }
}
