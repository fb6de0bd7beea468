/** Clients that are remembered; above it the one that scraped longest ago is forgotten. */
const CLIENTS_MAX = 16;
/** Nobody scrapes less often than this: who comes back later is looked at as new. */
const AWAY_MS_MAX = 60 * 60_000;

interface Client {
  readonly scrapedAtMs: number;
  /** takenAtMs of the publication that the client has got last. */
  readonly seenAtMs: number;
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
 */
export class ScrapeLog {
  readonly #pollIntervalMs: number;
  /** By what the caller calls them, the latest last. */
  readonly #clients = new Map<string, Client>();

  constructor({ pollIntervalMs }: { readonly pollIntervalMs: number }) {
    this.#pollIntervalMs = pollIntervalMs;
  }

  /**
   * Counter series published later than this show 0 on a page for `client`. The later the horizon,
   * the more a page shows; a page with an earlier one is right for this client too.
   */
  horizonMs(client: string, nowMs: number): number {
    const releasedMs = nowMs - this.#pollIntervalMs;
    const known = this.#clients.get(client);
    if (known === undefined || nowMs - known.scrapedAtMs > AWAY_MS_MAX) return releasedMs;
    return Math.min(releasedMs, known.seenAtMs);
  }

  /** Notes that `client` has got a page with the publication taken at `seenAtMs`. */
  note(client: string, { nowMs, seenAtMs }: { nowMs: number; seenAtMs: number }): void {
    this.#clients.delete(client);
    this.#clients.set(client, { scrapedAtMs: nowMs, seenAtMs });
    const [oldest] = this.#clients.keys();
    if (this.#clients.size > CLIENTS_MAX && oldest !== undefined) this.#clients.delete(oldest);
  }
}
