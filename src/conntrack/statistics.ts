import { be16, be32, nlaEnd, nlaLength, nlaType } from '../netlink/attributes.ts';

/**
 * What the kernel counts of the table, on each CPU apart, and its number in enum ctattr_stats_cpu
 * (include/uapi/linux/netfilter/nfnetlink_conntrack.h). Those that no kernel fills any more are left out.
 */
export const STATISTICS = {
  /** packets that belong to no connection there could be */
  invalid: 4,
  /** entries not inserted, mostly for there was the same one already */
  insertFailed: 9,
  /** packets dropped: no entry could be had for them, the table being full, or a helper said so */
  drop: 10,
  /** entries that had to go before their time, to make room in a full table */
  earlyDrop: 11,
  /** packets that could not be tracked, such as malformed ICMP errors */
  error: 12,
  /** look-ups begun anew, for the hash table was being resized */
  searchRestart: 13,
  /** packets of one new connection that came on two CPUs at once, and were brought together */
  clashResolve: 14,
  /** entries not inserted, for their chain in the hash table was too long */
  chainTooLong: 15,
} as const;

/** Counted since the first look. */
export type Statistics = Readonly<Record<keyof typeof STATISTICS, number>>;

const NAMES = Object.entries(STATISTICS);
const SLOTS = Math.max(...Object.values(STATISTICS)) + 1;
const BE32 = 8;

/** The sum over all CPUs of what their counters have gained; each is a be32 that wraps around. */
export class StatisticsSum {
  /** By CPU, by number in enum ctattr_stats_cpu. */
  readonly #last = new Map<number, Uint32Array>();
  readonly #gained = new Float64Array(SLOTS);

  get statistics(): Statistics {
    const gained = ([name, number]: readonly [string, number]) => [name, this.#gained[number]];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are those of STATISTICS
    return Object.fromEntries(NAMES.map(gained)) as Statistics;
  }

  /**
   * Takes one message of an IPCTNL_MSG_CT_GET_STATS_CPU dump, behind its nlmsghdr. False when it is
   * malformed. What a CPU has counted before it is first seen does not count.
   */
  add(words: Uint32Array, start: number, end: number): boolean {
    if (start >= end) return false;
    // struct nfgenmsg has the number of the CPU in res_id.
    const cpu = be16(words[start]! >>> 16);
    const values = new Uint32Array(SLOTS);
    for (let at = start + 1, next: number; at < end; at = next) {
      next = nlaEnd(words, at, end);
      if (next < 0) return false;
      const type = nlaType(words, at);
      if (type < SLOTS && nlaLength(words, at) >= BE32) values[type] = be32(words[at + 1]!);
    }
    const last = this.#last.get(cpu) ?? values;
    for (let slot = 0; slot < SLOTS; slot++) {
      this.#gained[slot]! += (values[slot]! - last[slot]!) >>> 0;
    }
    this.#last.set(cpu, values);
    return true;
  }
}
