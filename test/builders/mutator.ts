import { concat } from './ctnetlink.ts';

/** Makes damaged copies of byte strings; the same seed makes the same ones. */
export interface Mutator {
  /** A damaged copy of one of them. */
  readonly of: (samples: readonly Uint8Array[]) => Uint8Array;
  /** A whole number from 0 up to below `limit`, at most 2^32. */
  readonly below: (limit: number) => number;
}

/** Values at which length checks and signs tip over. */
const EDGES = [0, 1, 3, 4, 5, 0x7f, 0x80, 0xff];
const DAMAGES_MAX = 4;

export function mutator(seed: number): Mutator {
  let state = (seed ^ 0x9e37_79b9) | 1;
  const below = (limit: number) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;

  const damage = (bytes: Uint8Array, samples: readonly Uint8Array[]): Uint8Array => {
    const at = below(bytes.length + 1);
    switch (below(6)) {
      case 0: // a bit
        if (at < bytes.length) bytes[at]! ^= 1 << below(8);
        return bytes;
      case 1: // a byte
        if (at < bytes.length) bytes[at] = pick(EDGES);
        return bytes;
      case 2: {
        // the header of an attribute or a message: what stands at a word's start
        const word = at & ~3;
        if (word < bytes.length) bytes[word] = pick(EDGES);
        if (word + 1 < bytes.length && below(4) === 0) bytes[word + 1] = pick(EDGES);
        return bytes;
      }
      case 3: // cut off
        return bytes.slice(0, at);
      case 4: {
        // words that come twice, or not at all
        const from = at & ~3;
        const to = below(bytes.length + 1) & ~3;
        return concat([bytes.subarray(0, to), bytes.subarray(from)]);
      }
      default: {
        // the end of another one
        const other = pick(samples);
        const from = Math.min(at, other.length) & ~3;
        return concat([bytes.subarray(0, from), other.subarray(from)]);
      }
    }
  };

  return {
    below,
    of(samples) {
      let bytes: Uint8Array = pick(samples).slice();
      for (let times = 1 + below(DAMAGES_MAX); times > 0; times--) bytes = damage(bytes, samples);
      return bytes;
    },
  };
}
