/**
 * Messages as the kernel writes them (net/netfilter/nf_conntrack_netlink.c), and as it never should:
 * an entry's attributes are an array that a test can reorder, repeat, thin out and add to, and every
 * length can be a lie.
 */
import { addressBytes, familyOf, ICMP, ICMPV6, TCP, type Flow } from './flow.ts';

const NLA_F_NESTED = 0x8000;
const NLA_HDR_BYTES = 4;
const NLMSG_HDR_BYTES = 16;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
const NLM_F_MULTI = 0x02;
export const NLM_F_DUMP_INTR = 0x10;
/** NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_* */
export const CT_NEW = 0x100;
export const CT_DELETE = 0x102;
export const CT_GET_STATS = 0x105;

/** enum ctattr_type */
export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;
export const CTA_STATUS = 3;
export const CTA_PROTOINFO = 4;
export const CTA_TIMEOUT = 7;
export const CTA_MARK = 8;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
const CTA_USE = 11;
export const CTA_ID = 12;
export const CTA_ZONE = 18;
export const CTA_TIMESTAMP = 20;
/** enum ctattr_tuple */
export const CTA_TUPLE_IP = 1;
export const CTA_TUPLE_PROTO = 2;
export const CTA_TUPLE_ZONE = 3;

/** One attribute; `length` is what its header says, if not the truth. */
export function attribute(
  type: number,
  value: Uint8Array,
  length = NLA_HDR_BYTES + value.length,
): Uint8Array {
  const bytes = new Uint8Array(NLA_HDR_BYTES + Math.ceil(value.length / 4) * 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  bytes.set(value, NLA_HDR_BYTES);
  return bytes;
}

export function nested(type: number, children: readonly Uint8Array[], length?: number): Uint8Array {
  return attribute(type | NLA_F_NESTED, concat(children), length);
}

export function u8(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(value));
}

export function be16(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(value >>> 8, value));
}

export function be32(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

function be64(type: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return attribute(type, bytes);
}

/** CTA_TUPLE_IP: attributes 1 and 2 for IPv4, 3 and 4 for IPv6. */
export function addresses(source: string, destination: string): Uint8Array {
  const first = source.includes(':') ? 3 : 1;
  return nested(CTA_TUPLE_IP, [
    attribute(first, addressBytes(source)),
    attribute(first + 1, addressBytes(destination)),
  ]);
}

/** CTA_TUPLE_PROTO; `first` and `second` are ports, or an ICMP id and its type << 8 | code. */
export function protocolPart(protocol: number, first: number, second: number): Uint8Array {
  const number = u8(1, protocol);
  if (protocol === ICMP || protocol === ICMPV6) {
    const id = protocol === ICMP ? 4 : 7;
    const type = u8(id + 1, second >>> 8);
    return nested(CTA_TUPLE_PROTO, [number, be16(id, first), type, u8(id + 2, second & 0xff)]);
  }
  return nested(CTA_TUPLE_PROTO, [number, be16(2, first), be16(3, second)]);
}

export function originalTuple(flow: Flow): Uint8Array {
  return nested(CTA_TUPLE_ORIG, [
    addresses(flow.source, flow.destination),
    protocolPart(flow.protocol, flow.sourcePort, flow.destinationPort),
  ]);
}

export function replyTuple(flow: Flow): Uint8Array {
  return nested(CTA_TUPLE_REPLY, [
    addresses(flow.backend, flow.replyTo),
    protocolPart(flow.protocol, flow.backendPort, flow.replyPort),
  ]);
}

/** CTA_PROTOINFO_TCP is 1, of SCTP 3. */
export function protocolInfo(
  protocol: number,
  state: number,
  [original, reply]: Flow['tcpFlags'] = [0x23, 0x23],
): Uint8Array {
  return nested(CTA_PROTOINFO, [
    nested(protocol === TCP ? 1 : 3, [
      u8(1, state),
      u8(2, 7),
      u8(3, 7),
      attribute(4, Uint8Array.of(original, 0)),
      attribute(5, Uint8Array.of(reply, 0)),
    ]),
  ]);
}

/** The attributes of an entry, in the order of Linux 6.18. */
export function attributesOf(flow: Flow): Uint8Array[] {
  const [original, reply] = flow.packets;
  const [originalBytes, replyBytes] = flow.bytes;
  const isCounted = original + reply > 0n;
  return [
    originalTuple(flow),
    replyTuple(flow),
    ...(flow.zone === 0 ? [] : [be16(CTA_ZONE, flow.zone)]),
    be32(CTA_STATUS, flow.status),
    be32(CTA_MARK, 0),
    be32(CTA_ID, flow.id),
    be32(CTA_USE, 1),
    ...(flow.timeout === undefined ? [] : [be32(CTA_TIMEOUT, flow.timeout)]),
    ...(flow.state === undefined ? [] : [protocolInfo(flow.protocol, flow.state, flow.tcpFlags)]),
    ...(isCounted ? [counters(CTA_COUNTERS_ORIG, original, originalBytes)] : []),
    ...(isCounted ? [counters(CTA_COUNTERS_REPLY, reply, replyBytes)] : []),
    ...(flow.start === 0n ? [] : [nested(CTA_TIMESTAMP, [be64(1, flow.start)])]),
  ];
}

function counters(type: number, packets: bigint, bytes: bigint): Uint8Array {
  return nested(type, [be64(1, packets), be64(2, bytes)]);
}

/** struct nfgenmsg */
export function generic(family: number): Uint8Array {
  return Uint8Array.of(family, 0, 0, 0);
}

/** What stands behind the nlmsghdr of an entry. */
export function entryPayload(flow: Flow, attributes = attributesOf(flow)): Uint8Array {
  return concat([generic(familyOf(flow)), ...attributes]);
}

export interface MessageHeader {
  readonly sequence: number;
  readonly portId: number;
  readonly flags?: number;
  /** What nlmsg_len says, if not the truth. */
  readonly length?: number;
}

export function message(type: number, header: MessageHeader, payload: Uint8Array): Uint8Array {
  const { sequence, portId, flags = NLM_F_MULTI, length } = header;
  const bytes = new Uint8Array(NLMSG_HDR_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length ?? bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  view.setUint32(12, portId, true);
  bytes.set(payload, NLMSG_HDR_BYTES);
  return bytes;
}

export function entryMessage(header: MessageHeader, flow: Flow): Uint8Array {
  return message(CT_NEW, header, entryPayload(flow));
}

/** The end of a dump: 0, or a negative errno. */
export function done(header: MessageHeader, result = 0): Uint8Array {
  return message(NLMSG_DONE, header, hostInt(result));
}

/** A negative errno, or 0 for an acknowledgement; the kernel repeats the request's header behind it. */
export function error(header: MessageHeader, errno: number): Uint8Array {
  return message(
    NLMSG_ERROR,
    { flags: 0, ...header },
    concat([hostInt(errno), new Uint8Array(16)]),
  );
}

/** The answer to IPCTNL_MSG_CT_GET_STATS: CTA_STATS_GLOBAL_ENTRIES, _MAX_ENTRIES. */
export function tableUse(header: MessageHeader, entries: number, limit: number): Uint8Array {
  return message(
    CT_GET_STATS,
    { flags: 0, ...header },
    concat([generic(0), be32(1, entries), be32(2, limit)]),
  );
}

/** Messages as one recv() brings them. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function hostInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
