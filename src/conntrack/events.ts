import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { NETLINK_NETFILTER, NLMSG_HDR_WORDS } from '../netlink/constants.ts';
import { messageEnd, messageType, type Receiver } from '../netlink/datagram.ts';
import { NetlinkError } from '../netlink/error.ts';
import { NetlinkListener } from '../netlink/socket.ts';
import { IPCTNL_MSG_CT_DELETE, NFNLGRP_CONNTRACK_DESTROY } from './constants.ts';
import { decodeEntry } from './decode.ts';
import { ENTRY_WORDS } from './entry.ts';

const { EAGAIN, EINTR, ENOBUFS } = constants.errno;

/**
 * An event of 200 bytes takes 1,280 of it while it waits, and the kernel doubles what is asked for: room
 * for 26,000, which is half a second of 50,000 a second during a dump.
 */
const BUFFER_BYTES = 16 * 1024 * 1024;

const EVENTS_PATH = '/proc/sys/net/netfilter/nf_conntrack_events';

/** What one look into the socket brought. */
export interface Drained {
  readonly received: number;
  /** Messages that were skipped because they could not be decoded. */
  readonly malformed: number;
  /** The kernel had no room for some (ENOBUFS); it does not say how many, nor of when. */
  readonly overflowed: boolean;
}

/** `entry` is decoded, and the visitor's only until it returns. */
export type EventVisitor = (entry: Uint32Array) => void;

/**
 * The entries that leave the table, as it happens: ctnetlink sends a message of each, before it leaves
 * (nf_ct_delete()). What begins and what changes are not asked for: the first follows from this and the
 * snapshots, the second is most of all messages.
 *
 * With net.netfilter.nf_conntrack_events at 2, its default, only entries that were made while somebody
 * listened send anything (nf_ct_ecache_ext_add()); on Linux 6.18 that may be in any network namespace.
 */
export class ConntrackEvents implements Disposable {
  readonly #receiver: Receiver & Disposable;
  readonly #words: Uint32Array;
  readonly #entry = new Uint32Array(ENTRY_WORDS);

  /** Throws a NetlinkError. */
  constructor(open: () => Receiver & Disposable = openListener) {
    this.#receiver = open();
    this.#words = new Uint32Array(this.#receiver.buffer);
  }

  /** Visits what waits, oldest first, `datagramsMax` at most. Throws a NetlinkError. */
  drain(visit: EventVisitor, { datagramsMax }: { readonly datagramsMax: number }): Drained {
    const drained = { received: 0, malformed: 0, overflowed: false };
    for (let datagrams = 0; datagrams < datagramsMax; datagrams++) {
      const bytes = this.#receiver.receive();
      if (bytes === -EAGAIN) break;
      if (bytes === -EINTR) continue;
      if (bytes === -ENOBUFS) {
        drained.overflowed = true;
        continue;
      }
      if (bytes < 0) {
        throw new NetlinkError('receive events of the connection tracking table', -bytes);
      }
      this.#walk(bytes, visit, drained);
    }
    return drained;
  }

  [Symbol.dispose](): void {
    this.#receiver[Symbol.dispose]();
  }

  /**
   * All messages of a datagram. Their sequence is 0, and their port is that of whoever had the entry
   * deleted, 0 for the kernel itself; neither says anything here.
   */
  #walk(
    bytes: number,
    visit: EventVisitor,
    drained: { received: number; malformed: number },
  ): void {
    const words = this.#words;
    // As long as the buffer means cut off; see exchange().
    if (bytes >= this.#receiver.buffer.byteLength) {
      drained.malformed++;
      return;
    }
    for (let at = 0, end: number; (end = messageEnd(words, at, bytes)) !== 0; at = end) {
      if (end < 0) {
        drained.malformed++;
        return;
      }
      if (messageType(words, at) !== IPCTNL_MSG_CT_DELETE) continue;
      if (decodeEntry(words, at + NLMSG_HDR_WORDS, end, this.#entry)) {
        drained.received++;
        visit(this.#entry);
      } else {
        drained.malformed++;
      }
    }
  }
}

/**
 * The kernel tells of nothing, for net.netfilter.nf_conntrack_events is 0 in the calling thread's network
 * namespace. Not known, and so false, where the sysctl is hidden (in a user namespace).
 */
export function areEventsOff(): boolean {
  try {
    return readFileSync(EVENTS_PATH, 'latin1').trim() === '0';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

function openListener(): NetlinkListener {
  return new NetlinkListener({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_CONNTRACK_DESTROY],
    bufferBytes: BUFFER_BYTES,
  });
}
