const FIRST_MS = 800;
const MAX_MS = 30_000;
/** Who has gone well for this long begins anew. */
const HEALTHY_MS = 120_000;

/** Waits that grow with each failure, each a random part of its limit, so that clients do not meet. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor({ random }: { /** 0 to 1. */ readonly random: () => number }) {
    this.#random = random;
  }

  /** `livedMs` is how long it went well before it failed. */
  nextMs(livedMs: number): number {
    if (livedMs >= HEALTHY_MS) this.#failures = 0;
    const limitMs = Math.min(FIRST_MS * 2 ** this.#failures, MAX_MS);
    this.#failures = Math.min(this.#failures + 1, 16);
    return limitMs * this.#random();
  }
}
