import { be16, be32, nlaEnd, nlaLength, nlaType } from '../netlink/attributes.ts';
import { ENTRY } from './entry.ts';
import { decodeTuple, ORIGINAL_TUPLE, REPLY_TUPLE } from './tuple.ts';

// include/uapi/linux/netfilter/nfnetlink_conntrack.h; why it stands here is said in tuple.ts.

/** enum ctattr_type */
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_TIMEOUT = 7;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_TIMESTAMP = 20;
/** enum ctattr_protoinfo; the state is attribute 1 in each of them */
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_DCCP = 2;
const CTA_PROTOINFO_SCTP = 3;
const CTA_PROTOINFO_STATE = 1;
/** enum ctattr_protoinfo_tcp: struct nf_ct_tcp_flags, of which the first byte is the flags */
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY = 5;
/** CTA_COUNTERS_PACKETS and CTA_TIMESTAMP_START, CTA_COUNTERS_BYTES and CTA_TIMESTAMP_STOP */
const FIRST_BE64 = 1;
const SECOND_BE64 = 2;

/** ENTRY.state and ENTRY.timeout of an entry for which the kernel gave none. */
const NO_STATE = 0xff;
const NO_TIMEOUT = 0xffff_ffff;

// Lengths of attributes, header included. A value is read only when its attribute covers it.
const U8 = 5;
const BE16 = 6;
const BE32 = 8;
const BE64 = 12;

// What of an entry has come so far.
const HAS_ORIGINAL = 1;
const HAS_REPLY = 2;

/**
 * Decodes one IPCTNL_MSG_CT_NEW or IPCTNL_MSG_CT_DELETE message, `words[start..end)` behind its nlmsghdr, into `entry`.
 *
 * False when the message is malformed (an attribute shorter than its header or longer than its
 * parent, or a tuple missing or incomplete); `entry` is then of no use. Attributes may come in any
 * order, and the last of several counts; unknown ones are skipped, and so are values shorter than
 * they should be, which leaves them absent.
 *
 * Source: net/netfilter/nf_conntrack_netlink.c, ctnetlink_fill_info().
 */
export function decodeEntry(
  words: Uint32Array,
  start: number,
  end: number,
  entry: Uint32Array,
): boolean {
  if (start >= end) return false;
  // struct nfgenmsg; a tuple has no addresses of a family that is neither IPv4 nor IPv6.
  entry[ENTRY.family] = words[start]! & 0xff;
  for (let i = ENTRY.zone; i < ENTRY.protocol; i++) entry[i] = 0;
  entry[ENTRY.state] = NO_STATE;
  entry[ENTRY.timeout] = NO_TIMEOUT;

  let tuples = 0;
  for (let at = start + 1, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    const length = nlaLength(words, at);
    switch (nlaType(words, at)) {
      case CTA_TUPLE_ORIG:
        if (!decodeTuple(words, at + 1, next, entry, ORIGINAL_TUPLE)) return false;
        tuples |= HAS_ORIGINAL;
        break;
      case CTA_TUPLE_REPLY:
        if (!decodeTuple(words, at + 1, next, entry, REPLY_TUPLE)) return false;
        tuples |= HAS_REPLY;
        break;
      case CTA_STATUS:
        if (length >= BE32) entry[ENTRY.status] = be32(words[at + 1]!);
        break;
      case CTA_TIMEOUT:
        if (length >= BE32) entry[ENTRY.timeout] = be32(words[at + 1]!);
        break;
      case CTA_ID:
        if (length >= BE32) entry[ENTRY.id] = be32(words[at + 1]!);
        break;
      case CTA_ZONE:
        if (length >= BE16) entry[ENTRY.zone] = be16(words[at + 1]!);
        break;
      case CTA_PROTOINFO:
        if (!decodeProtocolInfo(words, at + 1, next, entry)) return false;
        break;
      case CTA_COUNTERS_ORIG:
        if (!decodePair(words, at + 1, next, entry, ORIGINAL_COUNTERS)) return false;
        break;
      case CTA_COUNTERS_REPLY:
        if (!decodePair(words, at + 1, next, entry, REPLY_COUNTERS)) return false;
        break;
      case CTA_TIMESTAMP:
        if (!decodePair(words, at + 1, next, entry, TIMESTAMPS)) return false;
        break;
      default:
    }
  }
  return tuples === (HAS_ORIGINAL | HAS_REPLY);
}

/** CTA_PROTOINFO holds one nest, of the entry's protocol, and that holds the state. */
function decodeProtocolInfo(
  words: Uint32Array,
  start: number,
  end: number,
  entry: Uint32Array,
): boolean {
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    switch (nlaType(words, at)) {
      case CTA_PROTOINFO_TCP:
        if (!decodeState(words, at + 1, next, entry)) return false;
        decodeTcpFlags(words, at + 1, next, entry);
        break;
      case CTA_PROTOINFO_DCCP:
      case CTA_PROTOINFO_SCTP:
        if (!decodeState(words, at + 1, next, entry)) return false;
        break;
      default:
    }
  }
  return true;
}

function decodeState(words: Uint32Array, start: number, end: number, entry: Uint32Array): boolean {
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    if (nlaType(words, at) === CTA_PROTOINFO_STATE && nlaLength(words, at) >= U8) {
      entry[ENTRY.state] = words[at + 1]! & 0xff;
    }
  }
  return true;
}

/** In attributes that decodeState() found well formed. */
function decodeTcpFlags(words: Uint32Array, start: number, end: number, entry: Uint32Array): void {
  for (let at = start; at < end; at = nlaEnd(words, at, end)) {
    if (nlaLength(words, at) < U8) continue;
    const type = nlaType(words, at);
    if (type === CTA_PROTOINFO_TCP_FLAGS_ORIGINAL) {
      entry[ENTRY.tcpFlagsOriginal] = words[at + 1]! & 0xff;
    } else if (type === CTA_PROTOINFO_TCP_FLAGS_REPLY) {
      entry[ENTRY.tcpFlagsReply] = words[at + 1]! & 0xff;
    }
  }
}

// Where the two be64 of a nest go: each of these nests has types 1 and 2.
const ORIGINAL_COUNTERS = { first: ENTRY.packetsOriginal, second: ENTRY.bytesOriginal };
const REPLY_COUNTERS = { first: ENTRY.packetsReply, second: ENTRY.bytesReply };
const TIMESTAMPS = { first: ENTRY.start, second: ENTRY.stop };

function decodePair(
  words: Uint32Array,
  start: number,
  end: number,
  entry: Uint32Array,
  offsets: { readonly first: number; readonly second: number },
): boolean {
  for (let at = start, next: number; at < end; at = next) {
    next = nlaEnd(words, at, end);
    if (next < 0) return false;
    if (nlaLength(words, at) < BE64) continue;
    const type = nlaType(words, at);
    if (type === FIRST_BE64) copyBe64(words, at + 1, entry, offsets.first);
    else if (type === SECOND_BE64) copyBe64(words, at + 1, entry, offsets.second);
  }
  return true;
}

/** To two words at `offset`, upper half first. */
function copyBe64(words: Uint32Array, at: number, entry: Uint32Array, offset: number): void {
  entry[offset] = be32(words[at]!);
  entry[offset + 1] = be32(words[at + 1]!);
}
