import t from 'tap';
import { DURATION_COLUMNS } from '../../src/connections/durations.ts';
import { Tally } from '../../src/connections/tally.ts';
import { Counting, NO_TIMEOUTS } from '../builders/counting.ts';
import type { EdgeCounts } from '../builders/edge-reader.ts';
import { entryOf, flow, flow6, TIME_WAIT, type Flow } from '../builders/flow.ts';

const one = flow({ id: 1, sourcePort: 1 });
const another = flow({ id: 2, sourcePort: 2 });
/** enum ip_conntrack_status: CONFIRMED and DYING */
const DYING = (1 << 3) | (1 << 9);

/** `opened closed active` of all edges together. */
function said({ edges }: { readonly edges: Map<string, EdgeCounts> }): string {
  let [opened, closed, active] = [0, 0, 0];
  for (const counts of edges.values()) {
    opened += counts.opened;
    closed += counts.closed;
    for (const count of Object.values(counts.active)) active += count;
  }
  return `${opened} ${closed} ${active}`;
}

/** A tally with a baseline of these. */
function begun(...flows: readonly Flow[]): Counting {
  const counting = new Counting();
  counting.snapshot(flows);
  return counting;
}

t.test('a connection that no snapshot has is opened and closed at once', async (t) => {
  const counting = begun();
  for (const short of [one, another, flow6()]) counting.ending(short);
  const { edges, entries } = counting.snapshot([]);
  t.equal(entries, 0);
  t.strictSame(
    [...edges.values()],
    [
      { opened: 2, closed: 2, active: {} },
      { opened: 1, closed: 1, active: {} },
    ],
  );
  t.equal(said(counting.snapshot([])), '0 0 0', 'and then forgotten');
});

t.test('the end of one that is gone since the last snapshot says nothing new', async (t) => {
  const counting = begun();
  t.equal(said(counting.snapshot([one])), '1 0 1');
  counting.ending(one);
  t.equal(said(counting.snapshot([])), '0 1 0');
});

t.test('one that has ended and is there again was opened again', async (t) => {
  const counting = begun();
  counting.snapshot([one]);
  counting.ending(one);
  t.equal(said(counting.snapshot([one])), '1 1 1');
  t.equal(said(counting.snapshot([one])), '0 0 1', 'once');
  counting.ending(one);
  t.equal(said(counting.snapshot([one])), '1 1 1', 'and another time');
});

t.test('of several ends of one tuple, the first is that of the last snapshot', async (t) => {
  const counting = begun();
  counting.snapshot([one]);
  for (let ends = 0; ends < 3; ends++) counting.ending(one);
  t.equal(said(counting.snapshot([])), '2 3 0');
  for (let ends = 0; ends < 3; ends++) counting.ending(one);
  t.equal(said(counting.snapshot([one])), '4 3 1');
});

t.test(
  'the end of an entry that the dump has, told while it went on, is for the next',
  async (t) => {
    const counting = begun();
    t.equal(said(counting.snapshotDuring([one], [one])), '1 0 1');
    t.equal(said(counting.snapshot([])), '0 1 0');
    counting.snapshot([one]);
    t.equal(said(counting.snapshotDuring([one], [one])), '0 0 1');
    t.equal(
      said(counting.snapshot([one])),
      '1 1 1',
      'where it is there again, it was opened again',
    );
  },
);

t.test('the end of an entry that the dump has not is counted, whenever it was told', async (t) => {
  const counting = begun();
  counting.snapshot([one]);
  t.equal(said(counting.snapshotDuring([], [one, another])), '1 2 0');
  t.equal(said(counting.snapshot([])), '0 0 0');
});

t.test('what was told during a dump and cannot be of its entry was before it', async (t) => {
  const counting = begun();
  const before = flow({ id: 1, sourcePort: 1, backend: '10.2.0.9' });
  const { edges } = counting.snapshotDuring([one], [before]);
  t.strictSame(
    new Set([...edges.values()].map((counts) => JSON.stringify(counts))),
    new Set(['{"opened":1,"closed":0,"active":{"3":1}}', '{"opened":1,"closed":1,"active":{}}']),
  );
});

t.test('an entry that is dying may be in the dump although its end was told before', async (t) => {
  const counting = begun();
  counting.snapshot([one]);
  counting.ending(one);
  t.equal(said(counting.snapshot([{ ...one, status: DYING }])), '0 0 1');
  t.equal(said(counting.snapshot([])), '0 1 0');
});

t.test('the baseline is not counted, nor what ended before it or while it was made', async (t) => {
  const counting = new Counting();
  counting.ending(one);
  t.equal(said(counting.snapshotDuring([another], [one, another])), '0 0 1');
  t.equal(said(counting.snapshot([])), '0 0 0');
});

t.test(
  'an entry of the baseline that has ended and is there again counts from then on',
  async (t) => {
    const counting = begun(one);
    counting.ending(one);
    t.equal(said(counting.snapshot([one])), '1 0 1', 'the first one was never opened');
    counting.ending(one);
    t.equal(said(counting.snapshot([])), '0 1 0');
  },
);

t.test('an end that nobody told is seen by the next snapshot, as ever', async (t) => {
  const counting = begun(another);
  counting.snapshot([one, another]);
  t.equal(said(counting.snapshot([])), '0 1 0');
});

t.test(
  'an end that is told late, of an entry that had expired, is not counted twice',
  async (t) => {
    const counting = begun();
    counting.snapshot([one]);
    t.equal(said(counting.snapshot([])), '0 1 0', 'the dump leaves it out');
    counting.ending(one);
    t.equal(said(counting.snapshot([])), '0 0 0');
    counting.ending(one);
    t.equal(said(counting.snapshot([])), '1 1 0', 'another one');
  },
);

t.test('a dump that failed keeps what was told for the next one', async (t) => {
  const counting = begun();
  counting.snapshot([one]);
  counting.ending(one);
  counting.failedDump([another]);
  counting.ending(another);
  t.equal(said(counting.snapshot([])), '1 2 0');
});

t.test('an end and an entry are the same when id, tuple and zone are', async (t) => {
  for (const other of [{ id: 9 }, { zone: 1 }, { sourcePort: 9 }, { source: '10.1.0.99' }]) {
    const counting = begun();
    counting.snapshot([one]);
    counting.ending({ ...one, ...other, state: TIME_WAIT });
    t.equal(said(counting.snapshot([one])), '1 1 1', JSON.stringify(other));
    t.equal(said(counting.snapshot([one])), '0 0 1', 'a connection of its own');
  }
});

t.test(
  'there is room for some hundred thousand ends in one interval, and then no more',
  async (t) => {
    const counting = begun();
    let kept = 0;
    while (counting.ending(flow({ id: kept, sourcePort: kept & 0xffff }))) kept++;
    t.equal(kept, 262_144);
    t.equal(said(counting.snapshot([])), `${kept} ${kept} 0`);
    t.ok(counting.ending(one), 'room again');
  },
);

t.test('the end tells the rest of the traffic, and how long the connection lasted', async (t) => {
  const tally = new Tally({ seed: 1 });
  const snapshot = (...flows: readonly Flow[]) => {
    tally.begin(NO_TIMEOUTS);
    for (const each of flows) tally.add(entryOf(each));
    return tally.finish({ takenAtMs: 0 }).edges;
  };
  const carrying = (packets: bigint, which = one) =>
    entryOf({ ...which, packets: [packets, 0n], bytes: [packets * 60n, 0n] });
  const seen = { ...one, packets: [2n, 0n], bytes: [120n, 0n] } as const;
  snapshot();
  snapshot(seen);
  tally.addEnding(carrying(5n), 1500);
  tally.addEnding(carrying(7n, another), 20);
  tally.addEnding(carrying(1n, flow({ id: 3, sourcePort: 3 })));
  const { number, traffic, durations } = snapshot();
  t.equal(number.length, 1);
  t.strictSame([...traffic], [3 + 7 + 1, 60 * (3 + 7 + 1), 0, 0]);
  t.strictSame([...durations], [1.52, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
});

t.test('what was opened again counts its traffic and its age from then on', async (t) => {
  const tally = new Tally({ seed: 1 });
  const snapshot = (takenAtMs: number, packets: bigint) => {
    tally.begin(NO_TIMEOUTS);
    tally.add(entryOf({ ...one, packets: [packets, 0n] }));
    return tally.finish({ takenAtMs }).edges;
  };
  snapshot(1000, 5n);
  tally.addEnding(entryOf({ ...one, packets: [6n, 0n] }));
  const { traffic, oldest } = snapshot(2000, 9n);
  t.equal(traffic[0], 1 + 9, 'the last packet of the one, and all of the other');
  t.strictSame([...oldest], [-2000]);
});

t.test('short connections survive that a snapshot is divided, and know their owner', async (t) => {
  const began = 1_790_000_000_000;
  const startedAt = (ms: number, port: number) =>
    flow({ id: port, sourcePort: port, start: BigInt(began + ms) * 1_000_000n });
  const counting = begun();
  for (const [at, ms] of [10, 20, 60].entries()) counting.ending(startedAt(ms, at));
  t.equal(said(counting.snapshot([])), '3 3 0');
  const takeover = { number: 1, address: one.source, sinceMs: began + 50 };
  const edges = counting.divide([takeover]);
  const name = '6 10.1.0.11 > 10.1.0.22:443 = 10.1.0.22:443';
  t.strictSame(Object.fromEntries(edges), {
    [`${name} before 1,0,0`]: { opened: 2, closed: 2, active: {} },
    [name]: { opened: 1, closed: 1, active: {} },
  });
  t.equal(said(counting.snapshot([])), '0 0 0');
});

t.test('thousands of edges keep the durations of their own', async (t) => {
  const tally = new Tally({ seed: 1 });
  tally.begin(NO_TIMEOUTS);
  tally.finish({ takenAtMs: 0 });
  const edges = 2000;
  for (let port = 1; port <= edges; port++) {
    tally.addEnding(entryOf(flow({ destinationPort: port })), port * 1000);
  }
  tally.begin(NO_TIMEOUTS);
  const { durations } = tally.finish({ takenAtMs: 0 }).edges;
  const sums = durations.filter((_, at) => at % DURATION_COLUMNS === 0);
  t.strictSame(
    sums.toSorted(),
    Float64Array.from({ length: edges }, (_, at) => at + 1),
  );
  t.equal(
    durations.reduce((sum, value) => sum + value, 0),
    (edges * (edges + 1)) / 2 + edges,
    'and one each in a bucket',
  );
});
