import { readFileSync } from 'node:fs';

const DIRECTORY = '/proc/sys/net/netfilter';

/**
 * How long an entry stays after its last packet, by protocol and state, in seconds; undefined where
 * the kernel has no such timeout, or hides it. An entry keeps the timeout that was set when its last
 * packet came.
 */
export interface Timeouts {
  readonly tcpEstablished: number | undefined;
  readonly sctpEstablished: number | undefined;
  /**
   * Instead of tcpEstablished while a TCP connection stalls: an end says it has no room
   * (a window of 0), or a packet was sent again too often.
   */
  readonly tcpStalled: number | undefined;
}

/** The timeouts of the calling thread's network namespace, as they are now. */
export function readTimeouts(): Timeouts {
  return {
    tcpEstablished: read('nf_conntrack_tcp_timeout_established'),
    sctpEstablished: read('nf_conntrack_sctp_timeout_established'),
    tcpStalled: read('nf_conntrack_tcp_timeout_max_retrans'),
  };
}

function read(name: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(`${DIRECTORY}/${name}`, 'latin1'), 10);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
