import type { EntryRows } from './entry-rows.ts';
import { HashIndex, hashWords } from './hash-index.ts';

/**
 * Rows of the last snapshot, by identity, that found no counterpart while both dumps were read side by
 * side.
 */
export class UnpairedRows {
  readonly #seed: number;
  readonly #index = new HashIndex();
  #last: EntryRows | undefined;

  constructor(seed: number) {
    this.#seed = seed;
  }

  index(last: EntryRows, isUnpaired: (row: number) => boolean): void {
    let rows = 0;
    for (let row = 0; row < last.count; row++) if (isUnpaired(row)) rows++;
    this.#last = last;
    this.#index.reset(rows);
    const { slots, mask } = this.#index;
    for (let row = 0; row < last.count; row++) {
      if (!isUnpaired(row) || !last.isCounted(row)) continue;
      let at = this.#hash(last, row) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = row + 1;
    }
  }

  /** The row of the last snapshot with the same identity, or -1. */
  find(rows: EntryRows, row: number): number {
    const last = this.#last;
    if (last === undefined) return -1;
    const { slots, mask } = this.#index;
    let at = this.#hash(rows, row) & mask;
    for (let found = slots[at]!; found !== 0; found = slots[at]!) {
      if (rows.isSame(row, last, found - 1)) return found - 1;
      at = (at + 1) & mask;
    }
    return -1;
  }

  #hash(rows: EntryRows, row: number): number {
    return hashWords(rows.words, row * rows.stride, rows.identityWords, this.#seed);
  }
}
