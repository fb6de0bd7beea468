import { readFileSync } from 'node:fs';
import { ENTRY } from './entry.ts';

const DIRECTORY = '/proc/sys/net/netfilter';
const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_GRE = 47;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_SCTP = 132;
const IPPROTO_UDPLITE = 136;
/** enum ip_conntrack_status */
const IPS_ASSURED = 1 << 2;
/** Timeouts are counted in jiffies, timestamps are not: an entry may expire a moment too soon. */
const GRAIN_MS = 1000;
/** As decode.ts leaves it. */
const NO_TIMEOUT = 0xffff_ffff;

/** enum tcp_conntrack: the sysctl of each state, by number; NONE has none. */
const TCP = [
  undefined,
  'tcp_timeout_syn_sent',
  'tcp_timeout_syn_recv',
  'tcp_timeout_established',
  'tcp_timeout_fin_wait',
  'tcp_timeout_close_wait',
  'tcp_timeout_last_ack',
  'tcp_timeout_time_wait',
  'tcp_timeout_close',
  'tcp_timeout_syn_sent',
];
/** enum sctp_conntrack */
const SCTP = [
  undefined,
  'sctp_timeout_closed',
  'sctp_timeout_cookie_wait',
  'sctp_timeout_cookie_echoed',
  'sctp_timeout_established',
  'sctp_timeout_shutdown_sent',
  'sctp_timeout_shutdown_recd',
  'sctp_timeout_shutdown_ack_sent',
  'sctp_timeout_heartbeat_sent',
];
/** Without states; the second one where there were packets both ways for a while (IPS_ASSURED). */
const STATELESS = new Map([
  [IPPROTO_ICMP, ['icmp_timeout', 'icmp_timeout']],
  [IPPROTO_ICMPV6, ['icmpv6_timeout', 'icmpv6_timeout']],
  [IPPROTO_UDP, ['udp_timeout', 'udp_timeout_stream']],
  [IPPROTO_UDPLITE, ['udp_timeout', 'udp_timeout_stream']],
  [IPPROTO_GRE, ['gre_timeout', 'gre_timeout_stream']],
]);
const OTHER = ['generic_timeout', 'generic_timeout'];

/** In seconds, by name; undefined where the kernel has none of this name, or hides it. */
export type TimeoutReader = (name: string) => number | undefined;

/**
 * How long connections lasted, from what the kernel tells of entries that leave the table
 * (nf_conntrack_timestamp). An entry outlives its connection: it stays for the timeout of its last state
 * after the last packet, TIME_WAIT for two minutes. That is taken off.
 */
export class Durations {
  readonly #read: TimeoutReader;
  readonly #timeouts = new Map<string, number | undefined>();

  constructor(read: TimeoutReader = readTimeout) {
    this.#read = read;
  }

  /** The timeouts may have been changed: they are read again when they are needed. */
  refresh(): void {
    this.#timeouts.clear();
  }

  /**
   * From the first packet to the last, in ms; undefined where the kernel does not say when it began, or in
   * which state it ended. Where the timeout is more than its whole life, the entry had another one (while
   * a connection stalls, or by a policy of its own), and the whole life counts.
   */
  of(entry: Uint32Array): number | undefined {
    const startNs = double(entry, ENTRY.start);
    const stopNs = double(entry, ENTRY.stop);
    const name = timeoutName(entry);
    if (startNs === 0 || stopNs === 0 || name === undefined) return undefined;
    const timeoutS = this.#timeoutOf(name);
    if (timeoutS === undefined) return undefined;
    const lifeMs = Math.max(0, (stopNs - startNs) / 1e6);
    const idleMs = idleSeconds(entry, timeoutS) * 1000;
    return idleMs > lifeMs + GRAIN_MS ? lifeMs : Math.max(0, lifeMs - idleMs);
  }

  #timeoutOf(name: string): number | undefined {
    if (!this.#timeouts.has(name)) this.#timeouts.set(name, this.#read(name));
    return this.#timeouts.get(name);
  }
}

function timeoutName(entry: Uint32Array): string | undefined {
  const protocol = entry[ENTRY.protocol]!;
  if (protocol === IPPROTO_TCP) return TCP[entry[ENTRY.state]!];
  if (protocol === IPPROTO_SCTP) return SCTP[entry[ENTRY.state]!];
  const isAssured = (entry[ENTRY.status]! & IPS_ASSURED) !== 0;
  return (STATELESS.get(protocol) ?? OTHER)[isAssured ? 1 : 0];
}

/**
 * The kernel leaves the timeout out where nothing is left of it, and its stop is then when that was. What
 * is left of another is rounded down, so it was idle for up to a second less than the difference.
 */
function idleSeconds(entry: Uint32Array, timeoutS: number): number {
  const leftS = entry[ENTRY.timeout]!;
  return leftS === NO_TIMEOUT || leftS === 0 ? timeoutS : Math.max(0, timeoutS - leftS - 1);
}

function double(entry: Uint32Array, at: number): number {
  return entry[at]! * 0x1_0000_0000 + entry[at + 1]!;
}

/** Of the calling thread's network namespace. */
function readTimeout(name: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(`${DIRECTORY}/nf_conntrack_${name}`, 'latin1'), 10);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
