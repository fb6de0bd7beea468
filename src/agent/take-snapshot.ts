import { constants } from 'node:os';
import type { Snapshot } from '../connections/snapshot.ts';
import type { Tally } from '../connections/tally.ts';
import { decodeEntry } from '../conntrack/decode.ts';
import { ENTRY_WORDS } from '../conntrack/entry.ts';
import type { Statistics } from '../conntrack/statistics.ts';
import type { TableUse } from '../conntrack/table.ts';
import type { Timeouts } from '../conntrack/timeouts.ts';
import { NetlinkError } from '../netlink/error.ts';
import type { ExchangeResult, MessageVisitor } from '../netlink/exchange.ts';

/** The parts of the outside world that a snapshot is made of. */
export interface SnapshotInputs {
  readonly table: {
    dump(visit: MessageVisitor): ExchangeResult;
    use(): TableUse;
    statistics(): Statistics;
  };
  readonly tally: Tally;
  readonly hashBuckets: () => number | undefined;
  readonly timeouts: () => Timeouts;
  readonly localAddresses: () => readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const { EAGAIN } = constants.errno;

const DUMPS_MAX = 3;

/** What ctnetlink answers where it is not there: no such protocol, no such subsystem. */
const NOT_AVAILABLE = new Set(['EPROTONOSUPPORT', 'EINVAL', 'EAFNOSUPPORT']);
/** No number of repetitions helps. */
const FINAL = new Set(['EPERM', 'EACCES']);

const entry = new Uint32Array(ENTRY_WORDS);

/**
 * Dumps the table and counts it. A dump that fails, or that was not consistent, is thrown away whole
 * and repeated, up to three dumps in all. Throws a NetlinkError when none came through.
 */
export function takeSnapshot(inputs: SnapshotInputs): Snapshot {
  const { table, tally, now } = inputs;
  const beganMs = now();
  const { malformed, repeated, available } = readTable(inputs);
  const takenAtMs = now();
  const use: TableUse = available ? table.use() : { entries: 0, limit: undefined };
  const statistics = available ? table.statistics() : undefined;
  const localAddresses = inputs.localAddresses();
  // Last: nothing that can fail comes behind it, or what it says would be lost for good.
  const { baseline, entries, timestamped, edges } = tally.finish({ takenAtMs });
  return {
    baseline,
    takenAtMs,
    // A wall clock may be set back meanwhile.
    durationMs: Math.max(0, now() - beganMs),
    entries,
    malformed,
    repeated,
    available,
    timestamped,
    tableEntries: use.entries,
    tableLimit: use.limit,
    statistics,
    localAddresses,
    edges,
  };
}

interface Reading {
  readonly malformed: number;
  readonly repeated: number;
  readonly available: boolean;
}

function readTable({ table, tally, hashBuckets, timeouts }: SnapshotInputs): Reading {
  const visit: MessageVisitor = (words, start, end) => {
    if (!decodeEntry(words, start, end, entry)) return false;
    tally.add(entry);
    return true;
  };
  for (let repeated = 0; ; repeated++) {
    const isLast = repeated + 1 === DUMPS_MAX;
    tally.begin(timeouts());
    try {
      const buckets = hashBuckets();
      const { malformed, interrupted } = table.dump(visit);
      const isResized = hashBuckets() !== buckets;
      if (!interrupted && !isResized) return { malformed, repeated, available: true };
      if (isLast) throw new NetlinkError('read a table that keeps changing its size', EAGAIN);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      if (NOT_AVAILABLE.has(error.code)) {
        tally.begin(timeouts());
        return { malformed: 0, repeated, available: false };
      }
      if (isLast || FINAL.has(error.code)) throw error;
    }
  }
}
