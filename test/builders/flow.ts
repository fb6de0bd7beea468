import { ENTRY, ENTRY_WORDS } from '../../src/conntrack/entry.ts';
import { parseAddress } from '../../src/net/address.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMPV6 = 58;
export const GRE = 47;

/** enum ip_conntrack_status */
export const IPS_SEEN_REPLY = 1 << 1;
export const IPS_ASSURED = 1 << 2;
export const IPS_CONFIRMED = 1 << 3;
export const IPS_OFFLOAD = 1 << 14;

/** enum tcp_conntrack */
export const SYN_SENT = 1;
export const ESTABLISHED = 3;
export const TIME_WAIT = 7;

/** One entry of the kernel's table, in words that a test can be read by. */
export interface Flow {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** Ports, or GRE keys; for ICMP the id, and type << 8 | code. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Source of the reply tuple. */
  readonly backend: string;
  readonly backendPort: number;
  /** Destination of the reply tuple. */
  readonly replyTo: string;
  readonly replyPort: number;
  readonly zone: number;
  readonly id: number;
  readonly status: number;
  /** undefined: the kernel gives none. */
  readonly state: number | undefined;
  /** CTA_TIMEOUT in seconds; undefined: the kernel gives none. */
  readonly timeout: number | undefined;
  /** IP_CT_TCP_FLAG_* of each direction, where there is a TCP state. */
  readonly tcpFlags: readonly [original: number, reply: number];
  /** ns since the epoch; 0: the kernel keeps no timestamps. */
  readonly start: bigint;
  /** Of each direction; 0: the kernel does not account. */
  readonly packets: readonly [original: bigint, reply: bigint];
  readonly bytes: readonly [original: bigint, reply: bigint];
}

/** An established TCP connection without any translation, and what is different about it. */
export function flow(different: Partial<Flow> = {}): Flow {
  const original = {
    protocol: TCP,
    source: '10.1.0.11',
    destination: '10.1.0.22',
    sourcePort: 40_000,
    destinationPort: 443,
    ...different,
  };
  return {
    backend: original.destination,
    backendPort: original.destinationPort,
    replyTo: original.source,
    replyPort: original.sourcePort,
    zone: 0,
    id: 0x1234_5678,
    status: IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED,
    state: original.protocol === TCP ? ESTABLISHED : undefined,
    timeout: 431_999,
    tcpFlags: [0x23, 0x23],
    start: 0n,
    packets: [0n, 0n],
    bytes: [0n, 0n],
    ...original,
  };
}

/** The same between IPv6 addresses. */
export function flow6(different: Partial<Flow> = {}): Flow {
  return flow({ source: 'fd00:10::11', destination: 'fd00:10::22', ...different });
}

/** `count` connections of one edge. */
export function many(count: number, different: Partial<Flow> = {}): Flow[] {
  return Array.from({ length: count }, (_, at) => flow({ id: at, sourcePort: at, ...different }));
}

export function familyOf({ source }: Flow): number {
  return source.includes(':') ? AF_INET6 : AF_INET;
}

/** The flow as decodeEntry() leaves it. */
export function entryOf(from: Flow): Uint32Array {
  const entry = new Uint32Array(ENTRY_WORDS);
  entry[ENTRY.family] = familyOf(from);
  entry[ENTRY.zone] = from.zone;
  entry[ENTRY.id] = from.id;
  entry[ENTRY.status] = from.status;
  entry[ENTRY.state] = from.state ?? 0xff;
  entry[ENTRY.timeout] = from.timeout ?? 0xffff_ffff;
  if (from.protocol === TCP && from.state !== undefined) {
    entry[ENTRY.tcpFlagsOriginal] = from.tcpFlags[0];
    entry[ENTRY.tcpFlagsReply] = from.tcpFlags[1];
  }
  setBig(entry, ENTRY.start, from.start);
  setBig(entry, ENTRY.packetsOriginal, from.packets[0]);
  setBig(entry, ENTRY.bytesOriginal, from.bytes[0]);
  setBig(entry, ENTRY.packetsReply, from.packets[1]);
  setBig(entry, ENTRY.bytesReply, from.bytes[1]);
  entry[ENTRY.protocol] = from.protocol;
  entry[ENTRY.discriminator] = (from.sourcePort << 16) | from.destinationPort;
  entry[ENTRY.replyDiscriminator] = (from.backendPort << 16) | from.replyPort;
  entry.set(addressWords(from.source), ENTRY.source);
  entry.set(addressWords(from.destination), ENTRY.destination);
  entry.set(addressWords(from.backend), ENTRY.replySource);
  entry.set(addressWords(from.replyTo), ENTRY.replyDestination);
  return entry;
}

export function addressBytes(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`Cannot build a flow: ${text} is no address`);
  return bytes;
}

function addressWords(text: string): Uint32Array {
  return new Uint32Array(addressBytes(text).slice().buffer);
}

function setBig(entry: Uint32Array, at: number, value: bigint): void {
  entry[at] = Number(value >> 32n);
  entry[at + 1] = Number(value & 0xffff_ffffn);
}
