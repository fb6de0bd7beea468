/** The same numbers for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e37_79b9) | 0;
  }

  /** From 0 on, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.next();
  }

  /** As often from 1 to 10 as from 10 to 100. */
  betweenLog(least: number, most: number): number {
    return Math.exp(this.between(Math.log(least), Math.log(most)));
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  /** How often something has happened that happens so often on average. */
  poisson(mean: number): number {
    let count = 0;
    for (let left = this.exponential(1); left < mean; left += this.exponential(1)) count++;
    return count;
  }
}
