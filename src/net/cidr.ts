/** Ranges of addresses in CIDR notation (RFC 4632; RFC 4291, section 2.3), and a table of them. */

import { formatAddress, parseAddress } from './address.ts';

export interface Cidr {
  /** Canonical: `10.0.0.0/8`, `fd00::/8`; an IPv4-mapped range is the IPv4 range. */
  readonly text: string;
  /** The bits that every address of the range begins with, as {@link bitsOf} writes them. */
  readonly prefix: string;
}

/** Throws an Error that says what is wrong with the text. */
export function parseCidr(text: string): Cidr {
  const fault = (reason: string): Error => new Error(`Cannot read CIDR "${text}": ${reason}`);
  const [, address = '', digits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? [];
  const bytes = parseAddress(address);
  if (bytes === undefined) throw fault('not an address and a prefix length, as in 10.0.0.0/8');

  const writtenBits = address.includes(':') ? 128 : 32;
  if (digits === undefined) throw fault(`no prefix length; ${text}/${writtenBits} is one address`);
  if (Number(digits) > writtenBits) throw fault(`the prefix is longer than ${writtenBits} bits`);
  const length = Number(digits) - (writtenBits - 8 * bytes.length);
  if (length < 0) throw fault('the prefix of an IPv4-mapped range has 96 bits or more');

  const first = formatAddress(bytes.map((byte, at) => byte & byteMask(length - 8 * at)));
  const canonical = `${first}/${length}`;
  if (first !== formatAddress(bytes)) {
    throw fault(`bits are set beyond the prefix; did you mean ${canonical}?`);
  }
  return { text: canonical, prefix: bitsOf(bytes).slice(0, 1 + length) };
}

/** The range of `bits` bits that an address in canonical text lies in, as text: `198.51.100.0/24`. */
export function networkOf(address: string, bits: number): string {
  const bytes = parseAddress(address);
  if (bytes === undefined) throw new Error(`Cannot shorten ${address}: it is no address`);
  return `${formatAddress(bytes.map((byte, at) => byte & byteMask(bits - 8 * at)))}/${bits}`;
}

/** Values by CIDR; the longest prefix wins. */
export class CidrTable<T> {
  readonly #values = new Map<string, T>();
  /** Lengths of the prefixes in the table, longest first. */
  readonly #lengths: readonly number[];

  constructor(entries: Iterable<readonly [Cidr, T]>) {
    for (const [cidr, value] of entries) this.#values.set(cidr.prefix, value);
    const lengths = new Set(Array.from(this.#values.keys(), (prefix) => prefix.length));
    this.#lengths = [...lengths].toSorted((a, b) => b - a);
  }

  find(address: string): T | undefined {
    const bytes = this.#lengths.length === 0 ? undefined : parseAddress(address);
    if (bytes === undefined) return undefined;
    const bits = bitsOf(bytes);
    for (const length of this.#lengths) {
      const value = this.#values.get(bits.slice(0, length));
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

const BITS_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(2).padStart(8, '0'));

/** An address as text of its bits behind its family, so that `::/0` holds no IPv4 address. */
function bitsOf(bytes: Uint8Array): string {
  let bits = bytes.length === 4 ? '4' : '6';
  for (const byte of bytes) bits += BITS_OF_BYTE[byte];
  return bits;
}

/** The mask that leaves the first `bits` bits of a byte; 0 and less leave none, 8 and more all. */
function byteMask(bits: number): number {
  return (0xff00 >> Math.max(0, Math.min(8, bits))) & 0xff;
}
