/**
 * IP addresses as bytes and as canonical text.
 *
 * Canonical text is dotted IPv4 or RFC 5952 IPv6; an IPv4-mapped IPv6 address (RFC 4291,
 * section 2.5.5.2) is the IPv4 address it stands for. Both programs key their maps by it.
 */

import { isIPv4, isIPv6 } from 'node:net';

const GROUPS = 8;
/** Where the IPv4 address stands inside an IPv4-mapped one. */
const MAPPED_AT = 12;
const DOT = 0x2e;
const ZERO = 0x30;

/** Canonical text of an address of 4 or 16 bytes in network order. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return formatIPv4(bytes, 0);
  if (bytes.length === 16)
    return isMapped(bytes) ? formatIPv4(bytes, MAPPED_AT) : formatIPv6(bytes);
  throw new RangeError(`Cannot format an address: ${bytes.length} bytes are neither 4 nor 16`);
}

/** Canonical text of a written address, its zone (`%eth0`) left out; undefined when it is no address. */
export function canonicalAddress(text: string): string | undefined {
  // isIPv4() takes no leading zeros: what it accepts is canonical.
  if (isIPv4(text)) return text;
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
}

/** Canonical IPv4 as a 32-bit integer, which a map finds faster than text; whatever else as it is. */
export function addressKey(text: string): string | number {
  let key = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (digits === 0) return text;
      key = (key << 8) | octet;
      octet = 0;
      digits = 0;
      dots++;
    } else {
      const digit = code - ZERO;
      // A leading zero is not canonical.
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return text;
      octet = 10 * octet + digit;
      if (octet > 255) return text;
      digits++;
    }
  }
  return dots === 3 && digits > 0 ? (key << 8) | octet : text;
}

/**
 * The 4 or 16 bytes of a written address in network order, 4 for an IPv4-mapped one; undefined when
 * it is no address.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (!isIPv6(text)) return undefined;
  const bytes = parseIPv6(text);
  return isMapped(bytes) ? bytes.subarray(MAPPED_AT) : bytes;
}

function formatIPv4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function formatIPv6(bytes: Uint8Array): string {
  const [start, end] = longestZeroRun(bytes);
  if (start === end) return formatGroups(bytes, 0, GROUPS);
  return `${formatGroups(bytes, 0, start)}::${formatGroups(bytes, end, GROUPS)}`;
}

function formatGroups(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let group = from; group < to; group++) {
    if (group > from) text += ':';
    text += groupAt(bytes, group).toString(16);
  }
  return text;
}

/** RFC 5952, section 4.2: the longest run of two or more zero groups, the first of equals; [0, 0] for none. */
function longestZeroRun(bytes: Uint8Array): readonly [start: number, end: number] {
  let longest: readonly [number, number] = [0, 0];
  for (let start = 0; start < GROUPS; start++) {
    let end = start;
    while (end < GROUPS && groupAt(bytes, end) === 0) end++;
    if (end - start > Math.max(1, longest[1] - longest[0])) longest = [start, end];
    start = end;
  }
  return longest;
}

/** Takes only what isIPv6() has accepted. */
function parseIPv6(text: string): Uint8Array {
  const [address = ''] = text.split('%', 1);
  const [head = '', tail] = address.split('::', 2);
  const before = head === '' ? [] : head.split(':').flatMap(parseGroup);
  const after = tail === undefined || tail === '' ? [] : tail.split(':').flatMap(parseGroup);
  const bytes = new Uint8Array(2 * GROUPS);
  bytes.set(before);
  bytes.set(after, bytes.length - after.length);
  return bytes;
}

/** A group of hexadecimal digits as 2 bytes, or the dotted IPv4 address at the end as 4. */
function parseGroup(group: string): number[] {
  if (group.includes('.')) return group.split('.').map(Number);
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}

function isMapped(bytes: Uint8Array): boolean {
  if (groupAt(bytes, 5) !== 0xffff) return false;
  for (let group = 0; group < 5; group++) if (groupAt(bytes, group) !== 0) return false;
  return true;
}

function groupAt(bytes: Uint8Array, group: number): number {
  return ((bytes[2 * group] ?? 0) << 8) | (bytes[2 * group + 1] ?? 0);
}
