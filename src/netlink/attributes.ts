/**
 * Reading struct nlattr in place: attributes are 4-byte aligned, so a message is read as words of a
 * Uint32Array, and an attribute is named by the index of its header word. Its header is
 * length | type << 16; its value begins at the next word and is in network order.
 */

/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are the two bits above the type. */
const NLA_TYPE_MASK = 0x3fff;
const NLA_HDR_BYTES = 4;

/** Length in bytes, header included, as the sender gave it. */
export function nlaLength(words: Uint32Array, at: number): number {
  return words[at]! & 0xffff;
}

export function nlaType(words: Uint32Array, at: number): number {
  return (words[at]! >>> 16) & NLA_TYPE_MASK;
}

/** Index of the first word behind the attribute at `at`, or -1 when it does not fit before `end`. */
export function nlaEnd(words: Uint32Array, at: number, end: number): number {
  const length = words[at]! & 0xffff;
  const next = at + ((length + 3) >>> 2);
  return length < NLA_HDR_BYTES || next > end ? -1 : next;
}

/** A be16 in the first two bytes of a word that was loaded on a little-endian host. */
export function be16(word: number): number {
  return ((word & 0xff) << 8) | ((word >>> 8) & 0xff);
}

/** A be32 in a word that was loaded on a little-endian host; unsigned. */
export function be32(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
