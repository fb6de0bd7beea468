import { LRUCache } from 'lru-cache';

interface Options {
  readonly ratePerSecond: number;
  /** Taken at once by whoever was quiet for long enough. */
  readonly burst: number;
  /** Beyond it, the bucket that was not used for the longest is forgotten, and full when it returns. */
  readonly keysMax: number;
  /** Milliseconds on a clock that never steps back. */
  readonly now?: () => number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** A bucket of tokens for each key, each filled at the same rate. */
export class TokenBuckets {
  readonly #options: Options;
  readonly #now: () => number;
  readonly #buckets: LRUCache<string, Bucket>;

  constructor(options: Options) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#buckets = new LRUCache({ max: options.keysMax });
  }

  /** Takes one. Otherwise, how many milliseconds until there is one; 0 when it was taken. */
  take(key: string): number {
    const { ratePerSecond, burst } = this.#options;
    const nowMs = this.#now();
    const { tokens, atMs } = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const filled = Math.min(burst, tokens + ((nowMs - atMs) / 1000) * ratePerSecond);
    const isTaken = filled >= 1;
    this.#buckets.set(key, { tokens: isTaken ? filled - 1 : filled, atMs: nowMs });
    return isTaken ? 0 : ((1 - filled) / ratePerSecond) * 1000;
  }
}
