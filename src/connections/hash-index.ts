/** Slots at least, per row; open addressing wants room. */
const SLOTS_PER_ROW = 2;
const INITIAL_SLOTS = 2048;

/**
 * Open addressing over rows of words that live elsewhere: it only knows row numbers. The caller
 * compares.
 */
export class HashIndex {
  /** Row + 1, or 0 where free. */
  slots = new Uint32Array(INITIAL_SLOTS);
  mask = INITIAL_SLOTS - 1;

  /** Empties the index and makes room for `rows`. */
  reset(rows: number): void {
    let size = this.slots.length;
    while (size < rows * SLOTS_PER_ROW) size *= 2;
    if (size === this.slots.length) {
      this.slots.fill(0);
      return;
    }
    this.slots = new Uint32Array(size);
    this.mask = size - 1;
  }

  hasRoomFor(rows: number): boolean {
    return rows * SLOTS_PER_ROW <= this.slots.length;
  }
}

/**
 * Hash of `count` words. The seed is random and secret, since the tuples are chosen by strangers who
 * could otherwise make them collide.
 */
export function hashWords(words: Uint32Array, start: number, count: number, seed: number): number {
  let hash = seed;
  for (let at = start, end = start + count; at < end; at++) {
    hash = Math.imul(hash ^ words[at]!, 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
