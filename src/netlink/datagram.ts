import { NLMSG_HDR_BYTES, NLMSG_HDR_WORDS } from './constants.ts';

/** Where datagrams come from. */
export interface Receiver {
  /** Where receive() puts a datagram. */
  readonly buffer: ArrayBuffer;
  /** Length of the next datagram, or -errno. */
  receive(): number;
}

/**
 * The word behind the message that begins at word `at` of a datagram of `bytes`; 0 when there is none
 * any more, and -1 when its length is a lie: then framing is lost, and with it the rest of the datagram.
 */
export function messageEnd(words: Uint32Array, at: number, bytes: number): number {
  const total = bytes >>> 2;
  if (at + NLMSG_HDR_WORDS > total) return 0;
  const length = words[at]!;
  // Checked before any arithmetic on it: rounding up 0xffffffff wraps to 0, and the loop over a
  // datagram would never end.
  if (length < NLMSG_HDR_BYTES || length > bytes - at * 4) return -1;
  const end = at + ((length + 3) >>> 2);
  return end > total ? -1 : end;
}

/** struct nlmsghdr, nlmsg_type. */
export function messageType(words: Uint32Array, at: number): number {
  return words[at + 1]! & 0xffff;
}
