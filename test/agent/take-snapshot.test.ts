import { constants } from 'node:os';
import t from 'tap';
import { takeSnapshot, type SnapshotInputs } from '../../src/agent/take-snapshot.ts';
import { Tally } from '../../src/connections/tally.ts';
import { FRESH_WORDS, type Snapshot } from '../../src/connections/snapshot.ts';
import { StatisticsSum } from '../../src/conntrack/statistics.ts';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { NetlinkError } from '../../src/netlink/error.ts';
import {
  concat,
  CT_NEW,
  done,
  entryMessage,
  error,
  message,
  NLM_F_DUMP_INTR,
  tableUse,
} from '../builders/ctnetlink.ts';
import { flow, flow6, type Flow } from '../builders/flow.ts';
import { fakeKernel, type Reception, type Request } from '../fakes/kernel.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';

const { EAGAIN, EBUSY, EINVAL, EPERM } = constants.errno;
const GET = 0x101;
const LIMIT = 262_144;
const none = new StatisticsSum().statistics;
const use = { entries: 0, limit: undefined };

const three = [flow({ id: 1 }), flow({ id: 2, sourcePort: 2 }), flow6({ id: 3 })];

type Dump = (request: Request) => readonly Reception[];
const wholeDump =
  (flows: readonly Flow[]): Dump =>
  (request) => [concat(flows.map((one) => entryMessage(request, one))), done(request)];
const refusal =
  (errno: number): Dump =>
  (request) => [error(request, -errno)];
/** One entry comes, and then nothing. */
const cutOff: Dump = (request) => [entryMessage(request, flow({ id: 9 })), -EAGAIN];
const interrupted: Dump = (request) => [
  entryMessage(request, flow({ id: 9 })),
  done({ ...request, flags: NLM_F_DUMP_INTR }),
];

const answerOf = (dump: Dump) => (request: Request) =>
  request.type === GET ? dump(request) : [tableUse(request, 42, LIMIT), error(request, 0)];

function inputsOf(different: Partial<SnapshotInputs> & Pick<SnapshotInputs, 'table'>) {
  return {
    tally: new Tally({ seed: 1 }),
    hashBuckets: () => 65_536,
    timeouts: () => NO_TIMEOUTS,
    localAddresses: () => ['127.0.0.1'],
    now: () => 1000,
    ...different,
  };
}

/** Snapshots of a kernel that answers one dump after the other; the last one for ever. */
function snapshotsOf(dumps: Dump[], different: Partial<SnapshotInputs> = {}): () => Snapshot {
  const next: Dump = (request) => (dumps.length > 1 ? dumps.shift() : dumps[0])!(request);
  const table = new ConntrackTable(() => fakeKernel(answerOf(next)));
  const inputs = inputsOf({ table, ...different });
  return () => takeSnapshot(inputs);
}

function fail(fault: Error): never {
  throw fault;
}

const sum = (column: Uint32Array) => column.reduce((total, value) => total + value, 0);
const countsOf = ({ baseline, entries, edges }: Snapshot) => ({
  baseline,
  entries,
  opened: sum(edges.opened),
  closed: sum(edges.closed),
  active: sum(edges.active),
});

t.test('a snapshot holds the counts, the time, and what the kernel says of itself', async (t) => {
  let time = 5000;
  const now = () => (time += 100);
  const snapshot = snapshotsOf([wholeDump(three)], { now })();
  const { edges, ...rest } = snapshot;
  t.strictSame(rest, {
    baseline: true,
    takenAtMs: 5200,
    durationMs: 200,
    entries: 3,
    malformed: 0,
    repeated: 0,
    timestamped: false,
    available: true,
    tableEntries: 42,
    tableLimit: LIMIT,
    statistics: none,
    localAddresses: ['127.0.0.1'],
  });
  t.equal(edges.number.length, 2);
  t.equal(sum(edges.active), 3);
});

t.test('a clock that is set back meanwhile makes no negative duration', async (t) => {
  let time = 1000;
  const snapshot = snapshotsOf([wholeDump(three)], { now: () => (time -= 100) })();
  t.equal(snapshot.durationMs, 0);
});

t.test('the second snapshot tells what was opened and closed in between', async (t) => {
  const [first, ...others] = three;
  const take = snapshotsOf([wholeDump([first!]), wholeDump(others), wholeDump([first!])]);
  t.strictSame(countsOf(take()), { baseline: true, entries: 1, opened: 0, closed: 0, active: 1 });
  t.strictSame(countsOf(take()), { baseline: false, entries: 2, opened: 2, closed: 0, active: 2 });
  t.strictSame(countsOf(take()), { baseline: false, entries: 1, opened: 1, closed: 2, active: 1 });
});

t.test('a malformed message is counted, and the others are too', async (t) => {
  const take = snapshotsOf([
    (request) => [
      concat([
        entryMessage(request, three[0]!),
        message(CT_NEW, request, new Uint8Array(8)),
        entryMessage(request, three[1]!),
      ]),
      done(request),
    ],
  ]);
  const { malformed, entries } = take();
  t.strictSame({ malformed, entries }, { malformed: 1, entries: 2 });
});

t.test(
  'a dump that fails or is interrupted is thrown away whole, counted and repeated',
  async (t) => {
    for (const bad of [cutOff, interrupted, refusal(EBUSY)]) {
      const snapshot = snapshotsOf([bad, bad, wholeDump(three)])();
      t.equal(snapshot.repeated, 2);
      t.match(countsOf(snapshot), { baseline: true, entries: 3, active: 3 });
    }
  },
);

t.test('a dump while the hash table changed its size is repeated', async (t) => {
  const sizes = [1, 2, 3, 4, 5, 5];
  const take = snapshotsOf([wholeDump([three[0]!]), wholeDump([three[1]!]), wholeDump(three)], {
    hashBuckets: () => sizes.shift(),
  });
  const snapshot = take();
  t.equal(snapshot.repeated, 2);
  t.match(countsOf(snapshot), { entries: 3, active: 3 });
});

t.test('three dumps at most: then the snapshot fails', async (t) => {
  for (const [bad, code] of [
    [cutOff, 'ETIMEDOUT'],
    [interrupted, 'EAGAIN'],
    [refusal(EBUSY), 'EBUSY'],
  ] as const) {
    let dumps = 0;
    const counted: Dump = (request) => {
      dumps++;
      return bad(request);
    };
    t.throws(snapshotsOf([counted]), { name: 'NetlinkError', code });
    t.equal(dumps, 3);
  }
  let size = 0;
  const take = snapshotsOf([wholeDump(three)], { hashBuckets: () => size++ });
  t.throws(take, { code: 'EAGAIN' });
  t.equal(size, 6);
});

t.test('a failed snapshot leaves nothing behind', async (t) => {
  const [first, ...others] = three;
  const take = snapshotsOf([
    wholeDump([first!]),
    cutOff,
    cutOff,
    cutOff,
    wholeDump(three),
    interrupted,
    refusal(EBUSY),
    cutOff,
    wholeDump(others),
  ]);
  take();
  t.throws(take, { code: 'ETIMEDOUT' });
  t.match(countsOf(take()), { entries: 3, opened: 2, closed: 0, active: 3 });
  t.throws(take, { code: 'ETIMEDOUT' });
  t.match(countsOf(take()), { entries: 2, opened: 0, closed: 0, active: 2 });
});

t.test('a failure before the first snapshot leaves the next one the baseline', async (t) => {
  const take = snapshotsOf([cutOff, cutOff, cutOff, wholeDump(three)]);
  t.throws(take);
  t.match(countsOf(take()), { baseline: true, entries: 3, opened: 0 });
});

function busy(): never {
  throw new NetlinkError('read something else', EBUSY);
}

t.test('what was counted is not lost when the rest of the snapshot fails', async (t) => {
  const table = new ConntrackTable(() => fakeKernel(answerOf(wholeDump(three))));
  const dump: ConntrackTable['dump'] = (visit) => table.dump(visit);
  for (const [name, failing] of [
    ['use', { table: { dump, use: busy, statistics: () => none } }],
    ['statistics', { table: { dump, use: () => use, statistics: busy } }],
    ['addresses', { localAddresses: busy }],
  ] as const) {
    const works = inputsOf({ table });
    t.throws(() => takeSnapshot({ ...works, ...failing }), { code: 'EBUSY' }, name);
    const { baseline, edges } = takeSnapshot(works);
    t.ok(baseline, name);
    t.equal(edges.fresh.length, 2 * FRESH_WORDS, name);
  }
});

t.test('without ctnetlink the table counts as empty', async (t) => {
  const take = snapshotsOf([refusal(EINVAL), wholeDump(three), refusal(EINVAL)]);
  const absent = { available: false, tableEntries: 0, tableLimit: undefined, repeated: 0 };
  t.match(take(), absent);
  const there = take();
  t.match(there, { available: true, tableEntries: 42 });
  t.match(countsOf(there), { baseline: false, entries: 3, opened: 3 });
  const gone = take();
  t.match(gone, absent);
  t.match(countsOf(gone), { entries: 0, closed: 3, active: 0 });
});

t.test(
  'entries that came before a kernel said that it has no ctnetlink do not count',
  async (t) => {
    const take = snapshotsOf([
      (request) => [entryMessage(request, three[0]!), done(request, -EINVAL)],
    ]);
    t.match(countsOf(take()), { entries: 0, active: 0 });
  },
);

t.test('a kernel without netlink for netfilter has no table either', async (t) => {
  const table = new ConntrackTable(() =>
    fail(new NetlinkError('open a netlink socket', constants.errno.EPROTONOSUPPORT)),
  );
  t.match(snapshotsOf([], { table })(), { available: false, entries: 0 });
});

t.test('a missing capability is final: no dump is repeated', async (t) => {
  let dumps = 0;
  const take = snapshotsOf([
    (request) => {
      dumps++;
      return [error(request, -EPERM)];
    },
  ]);
  t.throws(take, { code: 'EPERM', operation: 'read the connection tracking table' });
  t.equal(dumps, 1);
});

t.test("an error that is not the kernel's is not taken for one", async (t) => {
  const fault = new TypeError('a fault of ours');
  const hashBuckets = () => fail(fault);
  t.throws(snapshotsOf([wholeDump(three)], { hashBuckets }), { name: 'TypeError' });
});
