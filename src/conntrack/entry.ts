/**
 * One entry of the kernel's table as words: a single Uint32Array, reused for every entry of a dump,
 * so that decoding allocates nothing. The names are offsets into it.
 *
 * Numbers are in host order and unsigned. Addresses keep the kernel's bytes: an IPv4 address is in
 * the first word, and the other three say nothing.
 */
export const ENTRY = {
  /** AF_INET or AF_INET6 */
  family: 0,

  // What may be absent: 0 where the kernel said nothing.
  zone: 1,
  /** CTA_ID: a 32-bit hash; not unique by itself */
  id: 2,
  /** IPS_* bits */
  status: 3,
  /** the protocol's own state number, 0xff where the kernel gave none */
  state: 4,
  /** CTA_TIMEOUT: seconds until it expires, 0xffffffff where the kernel gave none */
  timeout: 5,
  /** what the kernel has seen of each end: IP_CT_TCP_FLAG_*, nf_conntrack_tcp.h */
  tcpFlagsOriginal: 6,
  tcpFlagsReply: 7,
  /** CTA_TIMESTAMP_START, nanoseconds since the epoch: upper and lower half */
  start: 8,
  /** of each direction, where the kernel accounts (nf_conntrack_acct): upper and lower half */
  packetsOriginal: 10,
  bytesOriginal: 12,
  packetsReply: 14,
  bytesReply: 16,

  // The tuples.
  /** IANA protocol number */
  protocol: 18,
  /**
   * What tells this connection from others between the same addresses, in one word: source and
   * destination port (or GRE keys) of the original tuple, source in the upper half; for ICMP the id
   * in the upper half, then type and code.
   */
  discriminator: 19,
  /** the same word of the reply tuple */
  replyDiscriminator: 20,
  source: 21,
  destination: 25,
  replySource: 29,
  replyDestination: 33,
} as const;

export const ENTRY_WORDS = 37;

export const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_DCCP = 33;
const IPPROTO_SCTP = 132;
const IPPROTO_UDPLITE = 136;

/** True where a tuple's two halves are ports: GRE sends its keys in the same attributes. */
export function hasPorts(protocol: number): boolean {
  return (
    protocol === IPPROTO_TCP ||
    protocol === IPPROTO_UDP ||
    protocol === IPPROTO_SCTP ||
    protocol === IPPROTO_DCCP ||
    protocol === IPPROTO_UDPLITE
  );
}
