import { ENTRY } from '../conntrack/entry.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';

/** As a constant of this module V8 folds it into the code; conntrack/tuple.ts says more. */
const FIELD = ENTRY;
const IPPROTO_TCP = 6;
const IPPROTO_SCTP = 132;
/** enum tcp_conntrack, enum sctp_conntrack; what state.ts calls slots */
const TCP_ESTABLISHED = 3;
const TCP_FIN_WAIT = 4;
const TCP_CLOSE_WAIT = 5;
const SCTP_ESTABLISHED = 4;
const SLOT_OFFLOAD = 13;
/** enum ip_conntrack_status */
const IPS_SEEN_REPLY = 1 << 1;
const IPS_FIXED_TIMEOUT = 1 << 10;
/** nf_conntrack_tcp.h */
const IP_CT_TCP_FLAG_CLOSE_INIT = 0x04;
const IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED = 0x10;
/** As decode.ts leaves it. */
const NO_TIMEOUT = 0xffff_ffff;

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/**
 * Values of an edge's signals in {@link EdgeColumns.signals}, one number each: how many of its
 * connections are idle for how long, half-closed by whom, unanswered.
 */
export const IDLE_BANDS = ['lt_1m', '1m_10m', '10m_1h', '1h_1d', 'ge_1d', 'unknown'] as const;
export const CLOSED_BY = ['client', 'server'] as const;
export const SIGNAL = { idle: 0, halfClosed: 6, unanswered: 8 } as const;
export const SIGNAL_SLOTS = 9;

/** Bits of what one entry signals: an idle band from 1 on, who closed from 1 on, unanswered. */
const IDLE_MASK = 0x7;
const IDLE_UNKNOWN = IDLE_BANDS.indexOf('unknown') + 1;
const CLOSED_BY_SHIFT = 3;
const CLOSED_BY_MASK = 0x3;
const CLOSED_BY_CLIENT = 1 << CLOSED_BY_SHIFT;
const CLOSED_BY_SERVER = 2 << CLOSED_BY_SHIFT;
const UNANSWERED = 1 << 5;
export const SIGNAL_BITS = 6;

/** What an entry signals, as {@link SIGNAL_BITS} bits; `slot` is its state's. Called for every entry of a dump. */
export function signalsOf(entry: Uint32Array, slot: number, timeouts: Timeouts): number {
  const unanswered = (entry[FIELD.status]! & IPS_SEEN_REPLY) === 0 ? UNANSWERED : 0;
  switch (entry[FIELD.protocol]!) {
    case IPPROTO_TCP:
      return unanswered | tcpSignals(entry, slot, timeouts);
    case IPPROTO_SCTP:
      if (slot !== SCTP_ESTABLISHED) return unanswered;
      return unanswered | idleBand(entry, timeouts.sctpEstablished);
    default:
      return unanswered;
  }
}

/** Adds the signals of one entry to the SIGNAL_SLOTS counts at `at`. */
export function countSignals(signals: number, counts: Uint32Array, at: number): void {
  const band = signals & IDLE_MASK;
  if (band > 0) counts[at + SIGNAL.idle + band - 1]!++;
  const side = (signals >>> CLOSED_BY_SHIFT) & CLOSED_BY_MASK;
  if (side > 0) counts[at + SIGNAL.halfClosed + side - 1]!++;
  if ((signals & UNANSWERED) !== 0) counts[at + SIGNAL.unanswered]!++;
}

function tcpSignals(entry: Uint32Array, slot: number, timeouts: Timeouts): number {
  switch (slot) {
    case TCP_ESTABLISHED:
      return tcpIdleBand(entry, timeouts);
    case TCP_FIN_WAIT:
    case TCP_CLOSE_WAIT:
      return closedBy(entry);
    case SLOT_OFFLOAD:
      // The flowtable sees the packets, and the entry has no timeout.
      return IDLE_UNKNOWN;
    default:
      return 0;
  }
}

/**
 * The kernel notes at whose FIN the connection left ESTABLISHED (nf_conntrack_tcp_packet()). The other
 * end has sent none in these two states: CLOSE_WAIT is a FIN that was acknowledged, of either end.
 */
function closedBy(entry: Uint32Array): number {
  if ((entry[FIELD.tcpFlagsOriginal]! & IP_CT_TCP_FLAG_CLOSE_INIT) !== 0) return CLOSED_BY_CLIENT;
  if ((entry[FIELD.tcpFlagsReply]! & IP_CT_TCP_FLAG_CLOSE_INIT) !== 0) return CLOSED_BY_SERVER;
  return 0;
}

/** nf_conntrack_tcp_packet() gives a connection that stalls, or waits for an acknowledgement, less time. */
function tcpIdleBand(entry: Uint32Array, { tcpEstablished, tcpStalled = 0 }: Timeouts): number {
  const flags = entry[FIELD.tcpFlagsOriginal]! | entry[FIELD.tcpFlagsReply]!;
  if ((flags & IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED) !== 0) return IDLE_UNKNOWN;
  const mayStall = tcpEstablished !== undefined && tcpEstablished > tcpStalled;
  if (mayStall && entry[FIELD.timeout]! <= tcpStalled) return IDLE_UNKNOWN;
  return idleBand(entry, tcpEstablished);
}

/**
 * The time since the last packet is what has passed of the state's timeout. More left than the
 * timeout is a timeout of the entry's own (a policy of `nfct timeout` or nftables' `ct timeout`), or
 * one that was changed since.
 */
function idleBand(entry: Uint32Array, timeoutS: number | undefined): number {
  const leftS = entry[FIELD.timeout]!;
  const isFixed = (entry[FIELD.status]! & IPS_FIXED_TIMEOUT) !== 0;
  if (timeoutS === undefined || leftS === NO_TIMEOUT || leftS > timeoutS || isFixed) {
    return IDLE_UNKNOWN;
  }
  // The kernel rounds what is left down, so idle up to a second less than the difference.
  const idleS = timeoutS - leftS - 1;
  if (idleS < MINUTE_S) return 1;
  if (idleS < 10 * MINUTE_S) return 2;
  if (idleS < HOUR_S) return 3;
  return idleS < DAY_S ? 4 : 5;
}
