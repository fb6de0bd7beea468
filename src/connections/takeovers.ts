import { parseAddress } from '../net/address.ts';
import type { AddressTakeover } from './snapshot.ts';

const NS_PER_MS = 1e6;

interface Known {
  readonly number: number;
  readonly address: Uint32Array;
  readonly sinceNs: number;
}

/**
 * The addresses of one family that passed from one owner to the next while connections of the former
 * one are left: says whose a connection is by the time at which it began.
 */
export class Takeovers {
  readonly #addressWords: number;
  /** The earliest first; of two at the same moment, the one that was added first. */
  #known: readonly Known[] = [];
  /** The same by the last word of the address: there may be thousands, and an edge looks for three. */
  #byLastWord: ReadonlyMap<number, readonly Known[]> = new Map();
  #latestNs = 0;

  constructor({ addressWords }: { readonly addressWords: number }) {
    this.#addressWords = addressWords;
  }

  get isEmpty(): boolean {
    return this.#known.length === 0;
  }

  /** Those of the other family are passed over. */
  add(takeovers: readonly AddressTakeover[]): void {
    const added = takeovers.flatMap(({ number, address, sinceMs }) => {
      const bytes = parseAddress(address)?.slice();
      if (bytes?.length !== this.#addressWords * Uint32Array.BYTES_PER_ELEMENT) return [];
      return { number, address: new Uint32Array(bytes.buffer), sinceNs: sinceMs * NS_PER_MS };
    });
    this.#keep([...this.#known, ...added].toSorted((a, b) => a.sinceNs - b.sinceNs));
  }

  /** Forgets all others. */
  retain(numbers: ReadonlySet<number>): void {
    this.#keep(this.#known.filter(({ number }) => numbers.has(number)));
  }

  /** Whether the address in `words` was taken over. */
  has(words: Uint32Array, at: number): boolean {
    return this.#near(words, at).some(({ address }) => isAt(words, at, address));
  }

  /**
   * Number of the takeover that ended the time of whoever had the address in `words` at `startNs`; 0
   * when that is the present owner, or when `startNs` is 0: unknown.
   */
  numberOf(words: Uint32Array, at: number, startNs: number): number {
    if (startNs === 0 || startNs >= this.#latestNs) return 0;
    const first = this.#near(words, at).find(
      ({ address, sinceNs }) => startNs < sinceNs && isAt(words, at, address),
    );
    return first?.number ?? 0;
  }

  #near(words: Uint32Array, at: number): readonly Known[] {
    return this.#byLastWord.get(words[at + this.#addressWords - 1]!) ?? [];
  }

  #keep(known: readonly Known[]): void {
    this.#known = known;
    this.#byLastWord = Map.groupBy(known, ({ address }) => address.at(-1)!);
    this.#latestNs = known.at(-1)?.sinceNs ?? 0;
  }
}

function isAt(words: Uint32Array, at: number, address: Uint32Array): boolean {
  for (let i = 0; i < address.length; i++) if (words[at + i] !== address[i]) return false;
  return true;
}
