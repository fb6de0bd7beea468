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

/** Slots of protocols without states, from the IPS_SEEN_REPLY and IPS_ASSURED bits. */
export const SLOT_UNREPLIED = 10;
export const SLOT_REPLIED = 11;
export const SLOT_ASSURED = 12;
/** A flowtable carries the flow and the kernel gives no state (IPS_OFFLOAD). */
export const SLOT_OFFLOAD = 13;
/** The protocol has states, but this one has no name here, or none came. */
export const SLOT_UNKNOWN = 14;

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

/** True for the protocols whose entries carry CTA_PROTOINFO with a state. */
export function hasStates(protocol: number): boolean {
  return STATES_OF.has(protocol);
}
