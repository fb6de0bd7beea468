import t from 'tap';
import type { Edge } from '../../src/connections/edge.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import { orphanedIn } from '../../src/connections/orphaned.ts';
import { OPTIONAL_SIGNALS } from '../../src/connections/row-measures.ts';
import type { Publication } from '../../src/connections/series.ts';
import { SIGNAL, SIGNAL_SLOTS } from '../../src/connections/signals.ts';
import { STATE_SLOTS, type Snapshot } from '../../src/connections/snapshot.ts';
import { stateName } from '../../src/conntrack/state.ts';
import { SimulatedTable, type Route } from '../builders/simulated-table.ts';

const toDb: Route = { source: '10.1.0.1', destination: '10.1.0.9', port: 5432 };
/** Another edge with the same labels. */
const toOtherDb: Route = { ...toDb, backend: '10.1.0.8' };
const toWeb: Route = { source: '10.1.0.1', destination: '10.1.0.9', port: 80 };

function newLedger(signals: readonly (typeof OPTIONAL_SIGNALS)[number][] = OPTIONAL_SIGNALS) {
  const ledger = new Ledger<object>({
    nodeName: 'node-a',
    seriesMax: 1000,
    seriesTtlMs: 60_000,
    exclude: [],
    signals,
    describe: ({ port }) => ({ port }),
    describeOverflow: () => ({ overflow: true }),
  });
  return (snapshot: Snapshot, ended: readonly string[] = []) => {
    Array.from(ledger.begin(snapshot));
    const hasEnded = (address: string) => ended.includes(address);
    Array.from(ledger.rename(() => undefined, hasEnded));
    return ledger.commit();
  };
}

/** An edge whose server is a pod that has ended. */
function orphan(protocol: number): Edge {
  const client = { address: toDb.source, identity: undefined, node: undefined, hasEnded: false };
  const server = { ...client, address: toDb.destination, hasEnded: true };
  const ports = { port: 5432, backendPort: 5432 };
  const ends = { source: client, destination: server, backend: server };
  return { ...ends, ...ports, protocol, sourceTranslated: false, primary: true };
}

/** `db: 2 half_closed client`, without what is always told. */
function told({ series, gauges }: Publication<object>): string[] {
  const lines = [...series].flatMap(({ labels, measures, values }) =>
    measures
      .map(({ signal, value }, at) => [Object(labels).port, values[at], signal, value])
      .filter(([, , signal]) => !['opened', 'closed', 'active'].includes(signal)),
  );
  const sides = gauges.map(({ series: { labels }, measure: { signal, value }, value: number }) => {
    return [Object(labels).port, number, signal, value];
  });
  return [...lines, ...sides].map((words) => words.join(' ').trim());
}

/** A snapshot in which the row of each edge says these numbers of its signals. */
function signalling(snapshot: Snapshot, rows: readonly Readonly<Record<number, number>>[]) {
  for (const [row, numbers] of rows.entries()) {
    for (const [at, count] of Object.entries(numbers)) {
      snapshot.edges.signals[row * SIGNAL_SLOTS + Number(at)] = count;
    }
  }
  return snapshot;
}

t.test('a series has the sums of what its edges signal', async (t) => {
  const table = new SimulatedTable();
  const enter = newLedger();
  for (const route of [toDb, toOtherDb, toWeb]) table.open(route, { count: 9 });
  const publication = enter(
    signalling(table.snapshot(1000), [
      { [SIGNAL.idle]: 3, [SIGNAL.idle + 5]: 1, [SIGNAL.halfClosed]: 2 },
      { [SIGNAL.idle]: 4, [SIGNAL.unanswered]: 5 },
      { [SIGNAL.halfClosed + 1]: 6 },
    ]),
  );
  t.strictSame(told(publication), [
    '5432 7 idle lt_1m',
    '5432 1 idle unknown',
    '5432 2 half_closed client',
    '5432 5 unanswered',
    '80 6 half_closed server',
  ]);
});

t.test('what is over goes to 0, and stays while the series lives', async (t) => {
  const table = new SimulatedTable();
  const enter = newLedger();
  table.open(toDb, { count: 2 });
  enter(signalling(table.snapshot(1000), [{ [SIGNAL.idle + 2]: 2, [SIGNAL.unanswered]: 1 }]));
  t.strictSame(told(enter(table.snapshot(2000))), ['5432 0 idle 10m_1h', '5432 0 unanswered']);
});

t.test(
  'connections are orphaned while the pod at either end, or behind the service, is gone',
  async (t) => {
    const table = new SimulatedTable();
    const enter = newLedger(['orphaned']);
    table.open(toOtherDb, { count: 3 });
    let takenAtMs = 0;
    const next = (...ended: string[]) => told(enter(table.snapshot((takenAtMs += 1000)), ended));
    t.strictSame(next(), []);
    t.strictSame(next('10.1.0.7'), [], 'a stranger');
    for (const end of [toOtherDb.source, toOtherDb.destination, '10.1.0.8']) {
      t.strictSame(next(end), ['5432 3 orphaned'], end);
      t.strictSame(next(), ['5432 0 orphaned'], 'somebody else has it');
    }
    next(toOtherDb.source);
    table.close(toOtherDb, { count: 3 });
    t.strictSame(
      next(toOtherDb.source),
      ['5432 0 orphaned'],
      'with the last connection it is over',
    );
  },
);

t.test('an address of this node is not gone, whoever had it', async (t) => {
  const table = new SimulatedTable();
  const enter = newLedger(['orphaned']);
  table.open(toDb);
  const snapshot = { ...table.snapshot(1000), localAddresses: [toDb.source] };
  t.strictSame(told(enter(snapshot, [toDb.source])), []);
});

t.test('what both ends have closed is no orphan', async (t) => {
  const states = {
    6: {
      LAST_ACK: 0,
      TIME_WAIT: 0,
      CLOSE: 0,
      CLOSE_WAIT: 1,
      ESTABLISHED: 1,
      FIN_WAIT: 1,
      SYN_SENT: 1,
    },
    17: { UNREPLIED: 1, REPLIED: 1, ASSURED: 1 },
    132: { CLOSED: 0, SHUTDOWN_ACK_SENT: 0, SHUTDOWN_SENT: 1, ESTABLISHED: 1 },
  };
  for (const [protocol, counts] of Object.entries(states)) {
    for (let slot = 0; slot < STATE_SLOTS; slot++) {
      const name = stateName(Number(protocol), slot);
      const expected = new Map(Object.entries(counts)).get(name);
      if (expected === undefined) continue;
      const active = new Uint32Array(2 * STATE_SLOTS);
      active[STATE_SLOTS + slot] = 7;
      const edge = orphan(Number(protocol));
      t.equal(orphanedIn(edge, active, 1), 7 * expected, `${protocol} ${name}`);
      t.equal(orphanedIn(edge, active, 0), 0, 'another row');
    }
  }
});

t.test('traffic counts from 0 on, and goes on when connections end', async (t) => {
  const table = new SimulatedTable();
  const enter = newLedger();
  const carry = (snapshot: Snapshot, numbers: readonly number[]) =>
    enter({ ...snapshot, edges: { ...snapshot.edges, traffic: Float64Array.from(numbers) } });
  table.open(toDb);
  const first = told(carry(table.snapshot(1000), [0, 0, 0, 0]));
  t.strictSame(first, [
    '5432 0 packets to_server',
    '5432 0 bytes to_server',
    '5432 0 packets to_client',
    '5432 0 bytes to_client',
  ]);
  carry(table.snapshot(2000), [1, 60, 2, 3000]);
  table.close(toDb);
  t.strictSame(told(carry(table.snapshot(3000), [1, 40, 0, 0])), [
    '5432 2 packets to_server',
    '5432 100 bytes to_server',
    '5432 2 packets to_client',
    '5432 3000 bytes to_client',
  ]);
});

t.test('the oldest connections are told, of the series that have the oldest', async (t) => {
  const table = new SimulatedTable();
  const enter = newLedger();
  const ports = Array.from({ length: 150 }, (_, at) => 1000 + at);
  for (const port of ports) table.open({ ...toDb, port });
  table.open(toDb);
  table.open(toOtherDb);
  const snapshot = table.snapshot(1_000_000);
  // The ports in turn are younger and older; then the two edges of one series.
  for (const at of ports.keys()) snapshot.edges.oldest[at] = at % 2 === 0 ? 900_000 - at : 500 + at;
  snapshot.edges.oldest.set([-4_000, 3_000], 150);
  const ages = told(enter(snapshot));
  t.equal(ages.length, 100);
  t.strictSame(ages.slice(0, 3), [
    '1001 999.499 oldest true',
    '1003 999.497 oldest true',
    '1005 999.495 oldest true',
  ]);
  t.ok(ages.includes('5432 997 oldest true'), 'the older one of the two, which is exact');
  t.notOk(
    ages.some((line) => line.startsWith('1000 ')),
    'the youngest is not among them',
  );

  table.close(toOtherDb);
  const later = table.snapshot(1_001_000);
  later.edges.oldest[150] = -4_000;
  t.strictSame(told(enter(later)), ['5432 997 oldest false'], 'others have none any more');
});

t.test('what is not chosen is not told', async (t) => {
  const table = new SimulatedTable();
  const everything = { [SIGNAL.idle]: 1, [SIGNAL.halfClosed]: 1, [SIGNAL.unanswered]: 1 };
  const full = () => {
    const snapshot = signalling(table.snapshot(9000), [everything]);
    snapshot.edges.oldest[0] = 5000;
    return { ...snapshot, edges: { ...snapshot.edges, traffic: Float64Array.of(1, 1, 1, 1) } };
  };
  table.open(toDb);
  t.strictSame(told(newLedger([])(full())), []);
  // The leak score is not of one snapshot: the watch tells it.
  for (const signal of OPTIONAL_SIGNALS.filter((one) => one !== 'leak_score')) {
    table.restart();
    const lines = told(newLedger([signal])(full(), [toDb.source]));
    t.ok(lines.length > 0, signal);
    const own = signal === 'traffic' ? /packets|bytes/ : new RegExp(signal);
    t.ok(
      lines.every((line) => own.test(line)),
      lines.join(),
    );
  }
});
