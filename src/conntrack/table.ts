import { readFileSync } from 'node:fs';
import { be32, nlaEnd, nlaLength, nlaType } from '../netlink/attributes.ts';
import {
  AF_UNSPEC,
  NETLINK_NETFILTER,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from '../netlink/constants.ts';
import {
  exchange,
  type ExchangeResult,
  type MessageVisitor,
  type Transport,
} from '../netlink/exchange.ts';
import { nfnetlinkRequest } from '../netlink/message.ts';
import { NetlinkSocket } from '../netlink/socket.ts';
import {
  CTA_STATS_GLOBAL_ENTRIES,
  CTA_STATS_GLOBAL_MAX_ENTRIES,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_GET_STATS,
  IPCTNL_MSG_CT_GET_STATS_CPU,
  IPCTNL_MSG_CT_NEW,
} from './constants.ts';
import { StatisticsSum, type Statistics } from './statistics.ts';

/** The kernel needs a microsecond or two an entry: room for a table of tens of millions. */
const DUMP_TIMEOUT_MS = 60_000;
const STATS_TIMEOUT_MS = 5_000;
const BUCKETS_PATH = '/proc/sys/net/netfilter/nf_conntrack_buckets';

/** What the kernel says of the table in this network namespace. */
export interface TableUse {
  readonly entries: number;
  /** nf_conntrack_max; undefined where the kernel does not tell (before Linux 5.1). */
  readonly limit: number | undefined;
}

/** The table of the calling thread's network namespace, over ctnetlink. Read-only by construction. */
export class ConntrackTable implements Disposable {
  readonly #open: () => Transport & Disposable;
  #socket: (Transport & Disposable) | undefined;
  readonly #statistics = new StatisticsSum();
  #sequence = 0;

  constructor(open: () => Transport & Disposable = () => new NetlinkSocket(NETLINK_NETFILTER)) {
    this.#open = open;
  }

  /** Visits every entry as an IPCTNL_MSG_CT_NEW message. Throws a NetlinkError. */
  dump(visit: MessageVisitor): ExchangeResult {
    return this.#exchange({
      operation: 'read the connection tracking table',
      type: IPCTNL_MSG_CT_GET,
      flags: NLM_F_REQUEST | NLM_F_DUMP,
      answerType: IPCTNL_MSG_CT_NEW,
      timeoutMs: DUMP_TIMEOUT_MS,
      visit,
    });
  }

  /** Throws a NetlinkError. */
  use(): TableUse {
    let entries = 0;
    let limit: number | undefined;
    this.#exchange({
      operation: 'read the use of the connection tracking table',
      type: IPCTNL_MSG_CT_GET_STATS,
      flags: NLM_F_REQUEST | NLM_F_ACK,
      answerType: IPCTNL_MSG_CT_GET_STATS,
      timeoutMs: STATS_TIMEOUT_MS,
      visit: (words, start, end) => {
        for (let at = start + 1, next: number; at < end; at = next) {
          next = nlaEnd(words, at, end);
          if (next < 0) return false;
          if (nlaLength(words, at) < 8) continue;
          const type = nlaType(words, at);
          if (type === CTA_STATS_GLOBAL_ENTRIES) entries = be32(words[at + 1]!);
          if (type === CTA_STATS_GLOBAL_MAX_ENTRIES) limit = be32(words[at + 1]!);
        }
        return true;
      },
    });
    return { entries, limit };
  }

  /** What the kernel has counted since the first call. Throws a NetlinkError. */
  statistics(): Statistics {
    this.#exchange({
      operation: 'read the statistics of the connection tracking table',
      type: IPCTNL_MSG_CT_GET_STATS_CPU,
      flags: NLM_F_REQUEST | NLM_F_DUMP,
      answerType: IPCTNL_MSG_CT_GET_STATS_CPU,
      timeoutMs: STATS_TIMEOUT_MS,
      visit: (words, start, end) => this.#statistics.add(words, start, end),
    });
    return this.#statistics.statistics;
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
    this.#socket = undefined;
  }

  #exchange(options: {
    readonly operation: string;
    readonly type: number;
    readonly flags: number;
    readonly answerType: number;
    readonly timeoutMs: number;
    readonly visit: MessageVisitor;
  }): ExchangeResult {
    const { type, flags } = options;
    this.#socket ??= this.#open();
    // Never 0, which is the sequence number of events.
    const sequence = (this.#sequence = (this.#sequence % 0xffff_ffff) + 1);
    const request = nfnetlinkRequest({ type, flags, sequence, family: AF_UNSPEC });
    try {
      return exchange({ ...options, transport: this.#socket, request, sequence });
    } catch (error) {
      // What is still queued belongs to the failed exchange, and the kernel may still be dumping.
      this[Symbol.dispose]();
      throw error;
    }
  }
}

/**
 * Number of hash buckets, of the one table that all network namespaces share. A dump that runs while
 * it changes loses or repeats entries, and the kernel does not say so. Undefined where it is hidden
 * (in a user namespace) or conntrack is not there.
 */
export function hashBuckets(): number | undefined {
  try {
    return Number.parseInt(readFileSync(BUCKETS_PATH, 'latin1'), 10);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
