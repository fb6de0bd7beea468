import t from 'tap';
import { Tally } from '../../src/connections/tally.ts';
import { Counting, NO_TIMEOUTS } from '../builders/counting.ts';
import {
  entryOf,
  ESTABLISHED,
  flow,
  flow6,
  GRE,
  ICMP,
  ICMPV6,
  IPS_SEEN_REPLY,
  SYN_SENT,
  TIME_WAIT,
  UDP,
  type Flow,
  many,
} from '../builders/flow.ts';
import { edgeNameOf } from '../builders/tally-model.ts';

/** One connection of each family for each of `count` edges. */
function eachItsOwn(count: number, first = 0): Flow[] {
  return Array.from({ length: count }, (_, at) => [
    flow({
      id: at,
      destinationPort: (first + at) & 0xffff,
      source: `10.2.${at >>> 8}.${at & 255}`,
    }),
    flow6({ id: at, source: `fd00::${(first + at).toString(16)}` }),
  ]).flat();
}

t.test(
  'the first snapshot is the baseline: its connections are active, never opened or closed',
  async (t) => {
    const counting = new Counting();
    const { baseline, entries, edges } = counting.snapshot(many(3));
    t.ok(baseline);
    t.equal(entries, 3);
    t.strictSame([...edges.values()], [{ opened: 0, closed: 0, active: { [ESTABLISHED]: 3 } }]);
    const next = counting.snapshot(many(2));
    t.notOk(next.baseline);
    t.strictSame(
      [...next.edges.values()],
      [{ opened: 0, closed: 0, active: { [ESTABLISHED]: 2 } }],
    );
  },
);

t.test('a connection is opened once and closed once', async (t) => {
  const counting = new Counting();
  counting.snapshot([]);
  t.strictSame(counting.totals(many(3)), { opened: 3, closed: 0, active: 3 });
  t.strictSame(counting.totals(many(3)), { opened: 0, closed: 0, active: 3 });
  t.strictSame(counting.totals(many(1)), { opened: 0, closed: 2, active: 1 });
  t.strictSame(counting.totals([]), { opened: 0, closed: 1, active: 0 });
  t.strictSame(counting.totals([]), { opened: 0, closed: 0, active: 0 });
});

t.test('connections are counted by their state, and none moves when the state does', async (t) => {
  const counting = new Counting();
  counting.snapshot([]);
  counting.snapshot([flow({ state: SYN_SENT }), flow({ id: 2, sourcePort: 2 })]);
  const { edges } = counting.snapshot([flow(), flow({ id: 2, sourcePort: 2, state: TIME_WAIT })]);
  const active = { [ESTABLISHED]: 1, [TIME_WAIT]: 1 };
  t.strictSame([...edges.values()], [{ opened: 0, closed: 0, active }]);
});

t.test('a tuple that is used again under the same id is another connection', async (t) => {
  const start = 1_790_000_000_000_000_000n;
  const pairs: [string, Partial<Flow>, Partial<Flow>][] = [
    ['the state went back', { state: TIME_WAIT }, { state: SYN_SENT }],
    ['the state went back all the way', { state: 8 }, { state: ESTABLISHED }],
    ['another start', { start }, { start: start + 1_000_000n }],
    ['fewer packets', { packets: [9n, 9n] }, { packets: [9n, 8n] }],
    ['another backend', { backend: '10.1.0.33' }, { backend: '10.1.0.44' }],
    ['another backend port', { backendPort: 8443 }, { backendPort: 9443 }],
    ['now translated', {}, { replyTo: '192.168.1.2' }],
  ];
  for (const [name, before, after] of pairs) {
    const counting = new Counting();
    counting.snapshot([]);
    counting.snapshot([flow(before)]);
    const again = flow({ ...before, ...after });
    t.strictSame(counting.totals([again]), { opened: 1, closed: 1, active: 1 }, name);
    t.strictSame(counting.totals([again]), { opened: 0, closed: 0, active: 1 }, name);
    t.strictSame(counting.totals([]), { opened: 0, closed: 1, active: 0 }, name);
  }
});

t.test('a connection that goes on is not taken for another one', async (t) => {
  const pairs: [string, Partial<Flow>, Partial<Flow>][] = [
    ['the state went on', { state: SYN_SENT }, { state: TIME_WAIT }],
    ['more packets', { packets: [1n, 0n] }, { packets: [1n, 1n << 40n] }],
    ['another status', { status: 0 }, { status: IPS_SEEN_REPLY }],
    ['another port of the source behind NAT', { replyPort: 1 }, { replyPort: 2 }],
    ['UDP has no states', { protocol: UDP, status: 6 }, { protocol: UDP, status: 0 }],
  ];
  for (const [name, before, after] of pairs) {
    const counting = new Counting();
    counting.snapshot([flow(before)]);
    t.strictSame(
      counting.totals([flow({ ...before, ...after })]),
      { opened: 0, closed: 0, active: 1 },
      name,
    );
  }
});

t.test(
  'a baseline connection whose tuple is used again is opened but was never closed',
  async (t) => {
    const counting = new Counting();
    counting.snapshot([flow({ state: TIME_WAIT })]);
    t.strictSame(counting.totals([flow()]), { opened: 1, closed: 0, active: 1 });
    t.strictSame(counting.totals([]), { opened: 0, closed: 1, active: 0 });
  },
);

t.test(
  'connections with the same id, or the same tuple in another zone, are different ones',
  async (t) => {
    const counting = new Counting();
    const flows = [flow(), flow({ sourcePort: 5 }), flow({ zone: 1 }), flow({ id: 9, zone: 2 })];
    t.equal(counting.snapshot(flows).entries, 4);
    t.strictSame(counting.totals(flows.slice(1)), { opened: 0, closed: 0, active: 3 });
    t.strictSame(counting.totals(flows), { opened: 1, closed: 0, active: 4 });
  },
);

t.test(
  'an edge is told by source, destination, port, transport, backend and translation',
  async (t) => {
    const base = flow();
    const others: Partial<Flow>[] = [
      { source: '10.1.0.12', replyTo: '10.1.0.12' },
      { destination: '10.1.0.23' },
      { destinationPort: 444 },
      { protocol: UDP },
      { backend: '10.1.0.33' },
      { backendPort: 8443 },
      { replyTo: '192.168.1.2' },
    ];
    const flows = [base, ...others.map((different, at) => flow({ ...base, id: at, ...different }))];
    t.equal(new Counting().snapshot(flows).edges.size, flows.length);
  },
);

t.test('client ports, zones, ids and states do not make an edge', async (t) => {
  const flows = [
    flow(),
    flow({ sourcePort: 1, replyPort: 2 }),
    flow({ zone: 3 }),
    flow({ id: 4 }),
    flow({ id: 5, state: TIME_WAIT }),
  ];
  t.equal(new Counting().snapshot(flows).edges.size, 1);
});

t.test('the source counts as translated only when its address changes', async (t) => {
  const { edges } = new Counting().snapshot([
    flow({ replyPort: 61_000 }),
    flow({ source: '10.1.0.12', replyTo: '192.168.1.2', replyPort: 40_000 }),
    flow6({ replyTo: 'fd00:10::12' }),
  ]);
  t.strictSame(
    [...edges.keys()],
    [
      '6 10.1.0.11 > 10.1.0.22:443 = 10.1.0.22:443',
      '6 10.1.0.12 > 10.1.0.22:443 = 10.1.0.22:443 translated',
      '6 fd00:10::11 > fd00:10::22:443 = fd00:10::22:443 translated',
    ],
  );
});

t.test('protocols without ports have none, and their ids make no edges', async (t) => {
  const ids = [1, 2, 3];
  const { edges } = new Counting().snapshot([
    ...ids.map((id) => flow({ id, protocol: ICMP, sourcePort: id, destinationPort: 8 << 8 })),
    ...ids.map((id) => flow6({ id, protocol: ICMPV6, sourcePort: id, destinationPort: 128 << 8 })),
    ...ids.map((id) => flow({ id, protocol: GRE, sourcePort: id, destinationPort: id })),
    ...ids.map((id) => flow({ id, protocol: 253, zone: id, sourcePort: 0, destinationPort: 0 })),
  ]);
  t.strictSame([...edges.keys()].toSorted(), [
    '1 10.1.0.11 > 10.1.0.22:- = 10.1.0.22:-',
    '253 10.1.0.11 > 10.1.0.22:- = 10.1.0.22:-',
    '47 10.1.0.11 > 10.1.0.22:- = 10.1.0.22:-',
    '58 fd00:10::11 > fd00:10::22:- = fd00:10::22:-',
  ]);
});

t.test('IPv4 and IPv6 never mix, even where their words are the same', async (t) => {
  const four = flow({ source: '10.1.0.11', destination: '10.1.0.22' });
  const six = flow({ source: 'a01:b::', destination: 'a01:16::' });
  const counting = new Counting();
  counting.snapshot([]);
  const { entries, edges } = counting.snapshot([four, six]);
  t.equal(entries, 2);
  t.strictSame([...edges.keys()], [edgeNameOf(four), edgeNameOf(six)]);
  t.strictSame(counting.totals([six]), { opened: 0, closed: 1, active: 1 });
});

t.test('a port of 0 is a port', async (t) => {
  const { edges } = new Counting().snapshot([flow({ destinationPort: 0 })]);
  t.strictSame([...edges.keys()], ['6 10.1.0.11 > 10.1.0.22:0 = 10.1.0.22:0']);
});

t.test('the number of an edge is used again when the edge has ended', async (t) => {
  const tally = new Tally({ seed: 1 });
  const numbersOf = (flows: readonly Flow[]) => {
    tally.begin(NO_TIMEOUTS);
    for (const one of flows) tally.add(entryOf(one));
    return [...tally.finish({ takenAtMs: 0 }).edges.number];
  };
  const [first] = numbersOf([flow()]);
  t.strictSame(numbersOf([flow()]), [first]);
  t.strictSame(numbersOf([]), [first], 'a last row, of zeros');
  t.strictSame(numbersOf([]), []);
  t.strictSame(numbersOf([flow({ destinationPort: 80 })]), [first]);
});

t.test('only a dump whose entries say when they began is divided', async (t) => {
  const takeover = { number: 1, address: '10.1.0.11', sinceMs: 1_790_000_000_000 };
  const counting = new Counting();
  counting.snapshot([flow()]);
  t.throws(() => counting.divide([takeover]), { message: /^Cannot divide a snapshot/ });
  counting.snapshot([flow({ start: 1_780_000_000_000_000_000n })]);
  t.equal(counting.divide([takeover]).size, 2, 'the one that was opened, and the one in its place');
});

t.test('a dump that failed is forgotten', async (t) => {
  const counting = new Counting();
  counting.snapshot(many(10));
  counting.failedDump(many(2000, { destinationPort: 80, start: 5n << 32n, packets: [7n, 7n] }));
  t.strictSame(counting.totals(many(10)), { opened: 0, closed: 0, active: 10 });
  counting.failedDump([]);
  t.strictSame(counting.totals(many(11)), { opened: 1, closed: 0, active: 11 });
});

t.test('what was allocated first is no limit: entries, edges, and both at once', async (t) => {
  const counting = new Counting();
  counting.snapshot([]);
  t.strictSame(counting.totals(many(5000)), { opened: 5000, closed: 0, active: 5000 });
  t.strictSame(counting.totals(eachItsOwn(3000)), { opened: 6000, closed: 5000, active: 6000 });
  t.strictSame(counting.totals(eachItsOwn(3000)), { opened: 0, closed: 0, active: 6000 });
  t.strictSame(counting.totals(eachItsOwn(9000, 3000)), {
    opened: 18_000,
    closed: 6000,
    active: 18_000,
  });
  t.strictSame(counting.totals([]), { opened: 0, closed: 18_000, active: 0 });
});

t.test('an edge that is one too many for its columns is counted like any other', async (t) => {
  // A reopened connection makes its edge while it is counted; at some point the columns must grow.
  const flows = Array.from({ length: 300 }, (_, at) => flow({ id: at, sourcePort: at }));
  const moved = flows.map((one, at) => ({
    ...one,
    backend: `10.1.1.${at & 0xff}`,
    backendPort: at,
  }));
  const counting = new Counting();
  counting.snapshot([]);
  counting.snapshot(flows);
  const { edges } = counting.snapshot(moved);
  for (const one of moved) t.equal(edges.get(edgeNameOf(one))?.opened, 1);
});
