import t from 'tap';
import { EdgeTable } from '../../src/connections/edge-table.ts';
import { EntryRows } from '../../src/connections/entry-rows.ts';
import { FRESH_WORDS, STATE_SLOTS } from '../../src/connections/snapshot.ts';
import { EdgeReader } from '../builders/edge-reader.ts';
import { AF_INET, AF_INET6, entryOf, ESTABLISHED, flow, type Flow } from '../builders/flow.ts';
import { edgeNameOf } from '../builders/tally-model.ts';
import { SIGNAL_SLOTS } from '../../src/connections/signals.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';

const ipv4 = { family: AF_INET, addressWords: 1, seed: 7 };

/** Edges that differ in their port. */
const edges = (count: number, first = 0) =>
  Array.from({ length: count }, (_, at) => flow({ destinationPort: first + at }));

/** Counts one connection of each flow, and says what the table reports. */
function snapshot(table: EdgeTable, flows: readonly Flow[]) {
  const rows = new EntryRows(1);
  rows.clear(NO_TIMEOUTS);
  table.settle();
  table.beginSnapshot();
  const slots = flows.map((one, row) => {
    rows.add(entryOf(one));
    const slot = table.slotOf(rows, row);
    table.counts.addActive(slot, ESTABLISHED, 0);
    return slot;
  });
  const columns = {
    number: new Uint32Array(table.liveCount),
    opened: new Uint32Array(table.liveCount),
    closed: new Uint32Array(table.liveCount),
    active: new Uint32Array(table.liveCount * STATE_SLOTS),
    signals: new Uint32Array(table.liveCount * SIGNAL_SLOTS),
    oldest: new Float64Array(table.liveCount),
    traffic: new Float64Array(0),
    fresh: new Uint32Array(table.freshCount * FRESH_WORDS),
  };
  table.report(columns, { row: 0, fresh: 0 });
  return { slots, columns };
}

t.test('equal keys have one slot, and different keys have different ones', async (t) => {
  const table = new EdgeTable(ipv4);
  const { slots } = snapshot(table, [...edges(1000), ...edges(1000)]);
  t.equal(new Set(slots).size, 1000);
  t.strictSame(slots.slice(0, 1000), slots.slice(1000));
});

t.test('an edge keeps its slot while it has connections', async (t) => {
  const table = new EdgeTable(ipv4);
  const first = snapshot(table, edges(600));
  const second = snapshot(table, edges(300, 300));
  t.strictSame(second.slots, first.slots.slice(300));
  t.equal(second.columns.fresh.length, 0);
  t.equal(second.columns.number.length, 600, 'those that have ended have a last row');
  t.equal(snapshot(table, edges(300, 300)).columns.number.length, 300);
});

t.test('slots of ended edges are used again before new ones', async (t) => {
  const table = new EdgeTable(ipv4);
  const first = snapshot(table, edges(500));
  snapshot(table, []);
  const second = snapshot(table, edges(500, 1000));
  t.strictSame(new Set(second.slots), new Set(first.slots));
});

t.test('a candidate that is not needed leaves no trace in its free slot', async (t) => {
  const table = new EdgeTable(ipv4);
  const reader = new EdgeReader();
  reader.read(snapshot(table, edges(4)).columns);
  reader.read(snapshot(table, edges(2)).columns);
  // Both edges are looked for with a free slot at hand, then the slot is taken by another one.
  const flows = [...edges(2), ...edges(2), ...edges(1, 9)];
  t.strictSame(
    [...reader.read(snapshot(table, flows).columns)].map(([name, { active }]) => [name, active]),
    [
      [edgeNameOf(flows[0]!), { [ESTABLISHED]: 2 }],
      [edgeNameOf(flows[1]!), { [ESTABLISHED]: 2 }],
      [edgeNameOf(flows[4]!), { [ESTABLISHED]: 1 }],
    ],
  );
});

t.test('the numbers of the two families do not meet', async (t) => {
  const four = snapshot(new EdgeTable(ipv4), edges(50)).columns.number;
  const six = snapshot(new EdgeTable({ ...ipv4, family: AF_INET6 }), edges(50)).columns.number;
  t.equal(new Set([...four, ...six]).size, 100);
});

t.test('any seed gives the same counts', async (t) => {
  const counts = [0, 1, 0xffff_ffff, 0x9e37_79b1].map((seed) => {
    const { columns } = snapshot(new EdgeTable({ ...ipv4, seed }), [...edges(700), ...edges(200)]);
    return Object.fromEntries(new EdgeReader().read(columns));
  });
  for (const one of counts) t.strictSame(one, counts[0]);
});
