/**
 * Names of connection states, as conntrack prints them.
 * Sources: include/uapi/linux/netfilter/nf_conntrack_tcp.h, nf_conntrack_sctp.h,
 * nf_conntrack_common.h (IPS_*).
 *
 * A slot is the number under which a snapshot counts a state: 0 to 9 are the kernel's own numbers of
 * the protocol's states; a protocol without states uses UNREPLIED, REPLIED and ASSURED.
 */

const IPPROTO_TCP = 6;
const IPPROTO_DCCP = 33;
const IPPROTO_SCTP = 132;
/** As decode.ts leaves it. */
const NO_STATE = 0xff;

/** enum tcp_conntrack */
const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
];

/** enum sctp_conntrack */
const SCTP_STATES = [
  'NONE',
  'CLOSED',
  'COOKIE_WAIT',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECD',
  'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT',
];

/** enum ct_dccp_states; kernels before 6.16 still track DCCP */
const DCCP_STATES = [
  'NONE',
  'REQUEST',
  'RESPOND',
  'PARTOPEN',
  'OPEN',
  'CLOSEREQ',
  'CLOSING',
  'TIMEWAIT',
  'IGNORE',
  'INVALID',
];

/** enum ip_conntrack_status */
const IPS_SEEN_REPLY = 1 << 1;
const IPS_ASSURED = 1 << 2;
const IPS_OFFLOAD = 1 << 14;

/** Slots below this one are the kernel's own state numbers. */
const STATE_NUMBERS = 10;
/** Slots of protocols without states, from the IPS_SEEN_REPLY and IPS_ASSURED bits. */
const SLOT_UNREPLIED = 10;
const SLOT_REPLIED = 11;
const SLOT_ASSURED = 12;
/** A flowtable carries the flow and the kernel gives no state (IPS_OFFLOAD). */
const SLOT_OFFLOAD = 13;
/** The protocol has states, but this one has no name here, or none came. */
const SLOT_UNKNOWN = 14;

const COMMON_STATES = new Map([
  [SLOT_UNREPLIED, 'UNREPLIED'],
  [SLOT_REPLIED, 'REPLIED'],
  [SLOT_ASSURED, 'ASSURED'],
  [SLOT_OFFLOAD, 'OFFLOAD'],
]);

const STATES_OF = new Map([
  [IPPROTO_TCP, TCP_STATES],
  [IPPROTO_DCCP, DCCP_STATES],
  [IPPROTO_SCTP, SCTP_STATES],
]);

/** The name of a snapshot's state slot for a protocol (IANA number); `UNKNOWN` for what this build does not know. */
export function stateName(protocol: number, slot: number): string {
  return COMMON_STATES.get(slot) ?? STATES_OF.get(protocol)?.[slot] ?? 'UNKNOWN';
}

/**
 * The slot of an entry: `state` is its own state number or NO_STATE, `status` its IPS_* bits. Called
 * for every entry of a dump.
 */
export function stateSlot(protocol: number, state: number, status: number): number {
  const hasStates =
    protocol === IPPROTO_TCP || protocol === IPPROTO_SCTP || protocol === IPPROTO_DCCP;
  if (hasStates && state !== NO_STATE) return state < STATE_NUMBERS ? state : SLOT_UNKNOWN;
  if ((status & IPS_OFFLOAD) !== 0) return SLOT_OFFLOAD;
  if (hasStates) return SLOT_UNKNOWN;
  if ((status & IPS_ASSURED) !== 0) return SLOT_ASSURED;
  return (status & IPS_SEEN_REPLY) !== 0 ? SLOT_REPLIED : SLOT_UNREPLIED;
}
