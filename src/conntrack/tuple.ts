import { be16, nlaEnd, nlaLength, nlaType } from '../netlink/attributes.ts';
import { ENTRY } from './entry.ts';

// Decoding runs for every entry of the table, and V8 folds a module's own constants into the code but
// loads an imported one each time, which takes more than half as long again. So the
// constants of include/uapi/linux/netfilter/nfnetlink_conntrack.h stand where they are used.

/** enum ctattr_tuple */
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_TUPLE_ZONE = 3;
/** enum ctattr_ip */
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
/** enum ctattr_l4proto */
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTO_ICMP_ID = 4;
const CTA_PROTO_ICMP_TYPE = 5;
const CTA_PROTO_ICMP_CODE = 6;
const CTA_PROTO_ICMPV6_ID = 7;
const CTA_PROTO_ICMPV6_TYPE = 8;
const CTA_PROTO_ICMPV6_CODE = 9;
/** include/linux/socket.h */
const AF_INET = 2;
const AF_INET6 = 10;
/** include/uapi/linux/netlink.h */
const NLA_F_NESTED = 0x8000;

// Lengths of attributes, header included. A value is read only when its attribute covers it.
const U8 = 5;
const BE16 = 6;
const IPV4 = 8;
const IPV6 = 20;

// What of a tuple, and of its addresses, has come so far.
const HAS_ADDRESSES = 1;
const HAS_PROTOCOL = 2;
const HAS_SOURCE = 1;
const HAS_DESTINATION = 2;

/** Where a tuple's parts go in an entry. */
interface TupleOffsets {
  readonly source: number;
  readonly destination: number;
  readonly discriminator: number;
}
export const ORIGINAL_TUPLE: TupleOffsets = {
  source: ENTRY.source,
  destination: ENTRY.destination,
  discriminator: ENTRY.discriminator,
};
export const REPLY_TUPLE: TupleOffsets = {
  source: ENTRY.replySource,
  destination: ENTRY.replyDestination,
  discriminator: ENTRY.replyDiscriminator,
};

/**
 * Decodes CTA_TUPLE_ORIG or CTA_TUPLE_REPLY, `words[start..end)` behind its header, into `entry`,
 * whose family is known. False when it is malformed or has no addresses of that family or no
 * protocol. Its zone counts where the entry has no other.
 */
export function decodeTuple(
  words: Uint32Array,
  start: number,
  end: number,
  entry: Uint32Array,
  offsets: TupleOffsets,
): boolean {
  const family = entry[ENTRY.family]!;
  if (family === AF_INET && isPlainTuple(words, start, end)) {
    entry[offsets.source] = words[start + 2]!;
    entry[offsets.destination] = words[start + 4]!;
    entry[ENTRY.protocol] = words[start + 7]! & 0xff;
    entry[offsets.discriminator] = (be16(words[start + 9]!) << 16) | be16(words[start + 11]!);
    return true;
  }
  let parts = 0;
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    switch (nlaType(words, at)) {
      case CTA_TUPLE_IP:
        if (!decodeAddresses(words, at + 1, next, family, entry, offsets)) return false;
        parts |= HAS_ADDRESSES;
        break;
      case CTA_TUPLE_PROTO:
        if (!decodeProtocol(words, at + 1, next, entry, offsets.discriminator)) return false;
        parts |= HAS_PROTOCOL;
        break;
      case CTA_TUPLE_ZONE:
        if (nlaLength(words, at) >= BE16 && entry[ENTRY.zone] === 0) {
          entry[ENTRY.zone] = be16(words[at + 1]!);
        }
        break;
      default:
    }
  }
  return parts === (HAS_ADDRESSES | HAS_PROTOCOL);
}

/**
 * True for the layout in which every kernel so far writes a tuple of IPv4 addresses and ports. Most
 * entries of most tables have two of them, and comparing eight headers takes half the time of
 * walking them.
 */
function isPlainTuple(words: Uint32Array, start: number, end: number): boolean {
  return (
    end - start === 12 &&
    words[start] === nested(CTA_TUPLE_IP, 20) &&
    words[start + 1] === header(CTA_IP_V4_SRC, IPV4) &&
    words[start + 3] === header(CTA_IP_V4_DST, IPV4) &&
    words[start + 5] === nested(CTA_TUPLE_PROTO, 28) &&
    words[start + 6] === header(CTA_PROTO_NUM, U8) &&
    words[start + 8] === header(CTA_PROTO_SRC_PORT, BE16) &&
    words[start + 10] === header(CTA_PROTO_DST_PORT, BE16)
  );
}

/** The header word of an attribute. */
function header(type: number, length: number): number {
  return length | (type << 16);
}

function nested(type: number, length: number): number {
  return (length | ((type | NLA_F_NESTED) << 16)) >>> 0;
}

/** False when one of the two addresses is missing, of another family, or not as long as that says. */
function decodeAddresses(
  words: Uint32Array,
  start: number,
  end: number,
  family: number,
  entry: Uint32Array,
  offsets: TupleOffsets,
): boolean {
  let has = 0;
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    const length = nlaLength(words, at);
    switch (nlaType(words, at)) {
      case CTA_IP_V4_SRC:
        if (length !== IPV4 || family !== AF_INET) break;
        entry[offsets.source] = words[at + 1]!;
        has |= HAS_SOURCE;
        break;
      case CTA_IP_V4_DST:
        if (length !== IPV4 || family !== AF_INET) break;
        entry[offsets.destination] = words[at + 1]!;
        has |= HAS_DESTINATION;
        break;
      case CTA_IP_V6_SRC:
        if (length !== IPV6 || family !== AF_INET6) break;
        copyAddress(words, at + 1, entry, offsets.source);
        has |= HAS_SOURCE;
        break;
      case CTA_IP_V6_DST:
        if (length !== IPV6 || family !== AF_INET6) break;
        copyAddress(words, at + 1, entry, offsets.destination);
        has |= HAS_DESTINATION;
        break;
      default:
    }
  }
  return has === (HAS_SOURCE | HAS_DESTINATION);
}

function copyAddress(from: Uint32Array, at: number, to: Uint32Array, offset: number): void {
  to[offset] = from[at]!;
  to[offset + 1] = from[at + 1]!;
  to[offset + 2] = from[at + 2]!;
  to[offset + 3] = from[at + 3]!;
}

/** Ports, GRE keys and ICMP ids end up in the same word, see ENTRY.discriminator. */
function decodeProtocol(
  words: Uint32Array,
  start: number,
  end: number,
  entry: Uint32Array,
  discriminator: number,
): boolean {
  let hasNumber = false;
  let upper = 0;
  let lower = 0;
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    const length = nlaLength(words, at);
    switch (nlaType(words, at)) {
      case CTA_PROTO_NUM:
        if (length < U8) break;
        entry[ENTRY.protocol] = words[at + 1]! & 0xff;
        hasNumber = true;
        break;
      case CTA_PROTO_SRC_PORT:
      case CTA_PROTO_ICMP_ID:
      case CTA_PROTO_ICMPV6_ID:
        if (length >= BE16) upper = be16(words[at + 1]!);
        break;
      case CTA_PROTO_DST_PORT:
        if (length >= BE16) lower = be16(words[at + 1]!);
        break;
      case CTA_PROTO_ICMP_TYPE:
      case CTA_PROTO_ICMPV6_TYPE:
        if (length >= U8) lower = (lower & 0xff) | ((words[at + 1]! & 0xff) << 8);
        break;
      case CTA_PROTO_ICMP_CODE:
      case CTA_PROTO_ICMPV6_CODE:
        if (length >= U8) lower = (lower & 0xff00) | (words[at + 1]! & 0xff);
        break;
      default:
    }
  }
  entry[discriminator] = (upper << 16) | lower;
  return hasNumber;
}
