import t from 'tap';
import { Tally } from '../../src/connections/tally.ts';
import type { EdgeColumns } from '../../src/connections/snapshot.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';
import { entryOf, flow, TIME_WAIT, type Flow } from '../builders/flow.ts';

/** The columns of one snapshot after the other. */
function snapshots() {
  const tally = new Tally({ seed: 1 });
  return (flows: readonly Flow[], takenAtMs = 0): EdgeColumns => {
    tally.begin(NO_TIMEOUTS);
    for (const one of flows) tally.add(entryOf(one));
    return tally.finish({ takenAtMs }).edges;
  };
}

/** Packets and bytes to the server, then those to the client. */
const carrying = (numbers: readonly [number, number, number, number], different = {}) => {
  const [packets, bytes, replyPackets, replyBytes] = numbers.map(BigInt);
  return flow({ packets: [packets!, replyPackets!], bytes: [bytes!, replyBytes!], ...different });
};

t.test('the oldest connection is as old as the kernel says', async (t) => {
  const next = snapshots();
  const { oldest } = next(
    [
      flow({ id: 1, sourcePort: 1, start: 1_790_000_002_000_000_000n }),
      flow({ id: 2, sourcePort: 2, start: 1_790_000_001_500_000_000n }),
      flow({ id: 3, sourcePort: 3, start: 1_790_000_003_000_000_000n }),
    ],
    1_790_000_009_000,
  );
  t.strictSame([...oldest], [1_790_000_001_500]);
});

t.test('where the kernel does not say, it is as old as it is known, and marked', async (t) => {
  const next = snapshots();
  const old = flow({ id: 1, sourcePort: 1 });
  const young = flow({ id: 2, sourcePort: 2 });
  t.strictSame([...next([old], 10_000).oldest], [-10_000]);
  t.strictSame([...next([old, young], 20_000).oldest], [-10_000]);
  t.strictSame([...next([young], 30_000).oldest], [-20_000]);
  t.strictSame([...next([], 40_000).oldest], [0]);
});

t.test('a connection that both ends have closed is not the oldest', async (t) => {
  const next = snapshots();
  t.strictSame([...next([flow({ state: TIME_WAIT })], 1_000).oldest], [0]);
});

t.test('a tuple that was opened again is as old as its second connection', async (t) => {
  const next = snapshots();
  next([flow({ state: TIME_WAIT })], 10_000);
  t.strictSame([...next([flow()], 20_000).oldest], [-20_000]);
});

t.test('traffic is what came since the last snapshot, the baseline not counted', async (t) => {
  const next = snapshots();
  const other = { id: 2, sourcePort: 2 };
  t.strictSame([...next([carrying([10, 1000, 5, 9000])]).traffic], [0, 0, 0, 0]);
  t.strictSame(
    [...next([carrying([12, 1100, 6, 9500]), carrying([1, 60, 0, 0], other)]).traffic],
    [3, 160, 1, 500],
  );
  t.strictSame([...next([carrying([12, 1100, 6, 9500])]).traffic], [0, 0, 0, 0]);
  t.strictSame(
    [...next([carrying([13, 1_000_000_000_000, 6, 9500])]).traffic].slice(0, 2),
    [1, 999_999_998_900],
  );
});

t.test('a tuple that was opened again brings all its traffic', async (t) => {
  const next = snapshots();
  next([carrying([10, 1000, 5, 900])]);
  t.strictSame([...next([carrying([2, 120, 1, 60])]).traffic], [2, 120, 1, 60]);
});

t.test('a kernel that does not account tells no traffic', async (t) => {
  const next = snapshots();
  next([flow()]);
  t.equal(next([flow()]).traffic.length, 0);
});

/** One connection each; a packet more or less to the server. */
function manyEdges(extra: number): Flow[] {
  return Array.from({ length: 2000 }, (_, at) =>
    carrying([at + extra, at, at, at], {
      destinationPort: at + 1,
      start: BigInt(at + 10) * 1_000_000_000n,
    }),
  );
}

t.test('thousands of edges keep their own traffic and ages', async (t) => {
  const next = snapshots();
  next(manyEdges(0));
  const { traffic, oldest } = next(manyEdges(3));
  t.strictSame(new Set(traffic.filter((_, at) => at % 4 === 0)), new Set([3]));
  t.strictSame(
    oldest.toSorted(),
    Float64Array.from({ length: 2000 }, (_, at) => (at + 10) * 1000),
  );
});
