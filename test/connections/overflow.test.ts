import t from 'tap';
import type { Edge } from '../../src/connections/edge.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import type { Series } from '../../src/connections/series.ts';
import type { Identity } from '../../src/inventory/identity.ts';
import { SimulatedTable, type Route } from '../builders/simulated-table.ts';
import { countsOf } from '../builders/series.ts';

function routeTo(port: number, source = '10.1.0.1'): Route {
  return { source, destination: '10.2.0.1', port };
}

function newScene({
  seriesMax = 2,
  describeOverflow = (primary: boolean): object => ({ primary }),
}) {
  const table = new SimulatedTable();
  let described = 0;
  const ledger = new Ledger<object>({
    nodeName: 'node-a',
    seriesMax,
    seriesTtlMs: 60_000,
    exclude: [],
    signals: [],
    describe: ({ port, source }: Edge) => {
      described++;
      return source.identity ? { port, name: source.identity.name } : { port };
    },
    describeOverflow,
  });
  let takenAtMs = 0;
  return {
    table,
    ledger,
    described: () => described,
    enter: ({ afterMs = 1_000, owner }: { afterMs?: number; owner?: Identity } = {}) => {
      takenAtMs += afterMs;
      Array.from(ledger.begin(table.snapshot(takenAtMs)));
      Array.from(ledger.rename((address) => (address === '10.1.0.1' ? owner : undefined)));
      return [...ledger.commit().series];
    },
  };
}

function told(series: readonly Series<object>[]) {
  return series.map((one) => {
    const { opened, closed, active } = countsOf(one);
    return { ...one.labels, opened, closed, ...Object.fromEntries(active) };
  });
}

const elsewhere: Identity = { type: 'pod', name: 'web', node: 'node-b' };

t.test('above the maximum new edges fold into overflow, and keep their state', async (t) => {
  const { table, enter, ledger } = newScene({ seriesMax: 1 });
  enter();
  table.open(routeTo(80), { count: 9 });
  enter();
  table.open(routeTo(81), { count: 2 });
  table.open(routeTo(82), { slot: 7 });
  t.same(told(enter()), [
    { primary: true, opened: 3, closed: 0, ESTABLISHED: 2, TIME_WAIT: 1 },
    { port: 80, opened: 9, closed: 0, ESTABLISHED: 9 },
  ]);
  t.match(ledger.size, { edges: 3, overflowEdges: 2, series: 2 });
});

t.test('overflow keeps apart what is primary and what is not', async (t) => {
  const { table, enter } = newScene({ seriesMax: 0 });
  enter();
  table.open(routeTo(80), { count: 2 });
  table.open(routeTo(80, '10.1.0.2'), { count: 3 });
  t.same(told(enter({ owner: elsewhere })), [
    { primary: false, opened: 2, closed: 0, ESTABLISHED: 2 },
    { primary: true, opened: 3, closed: 0, ESTABLISHED: 3 },
  ]);
});

t.test('overflow is one series where its labels do not tell what is primary', async (t) => {
  const { table, enter } = newScene({ seriesMax: 0, describeOverflow: () => ({ rest: true }) });
  enter();
  table.open(routeTo(80), { count: 2 });
  table.open(routeTo(80, '10.1.0.2'), { count: 3 });
  t.same(told(enter({ owner: elsewhere })), [{ rest: true, opened: 5, closed: 0, ESTABLISHED: 5 }]);
});

t.test('more than twice the smallest is admitted from zero, and the smallest ends', async (t) => {
  const { table, enter } = newScene({ seriesMax: 2 });
  const [small, large, other] = [routeTo(80), routeTo(81), routeTo(82)];
  enter();
  table.open(small, { count: 2 });
  table.open(large, { count: 9 });
  enter();
  table.open(other, { count: 4 });
  t.match(told(enter()), [{ primary: true, opened: 4 }, { port: 80 }, { port: 81 }], 'just twice');

  table.open(other);
  table.open(small, { slot: 7 });
  table.close(small, { count: 2 });
  const series = enter();
  t.same(told(series), [
    { primary: true, opened: 5, closed: 2, ESTABLISHED: 0, TIME_WAIT: 1 },
    { port: 81, opened: 9, closed: 0, ESTABLISHED: 9 },
    { port: 82, opened: 1, closed: 0, ESTABLISHED: 5 },
  ]);
  t.match(series[2], { startTimeMs: 3_000, publishedAtMs: 4_000 });
});

t.test(
  'an edge that has just come ends no series of another: it may never come again',
  async (t) => {
    const { table, enter } = newScene({ seriesMax: 1 });
    const [idle, stranger] = [routeTo(80), routeTo(81)];
    enter();
    table.open(idle);
    enter();
    table.close(idle);
    table.open(stranger, { count: 9 });
    t.same(told(enter()), [
      { primary: true, opened: 9, closed: 0, ESTABLISHED: 9 },
      { port: 80, opened: 1, closed: 1, ESTABLISHED: 0 },
    ]);
    t.match(
      told(enter()),
      [{ primary: true, opened: 9, ESTABLISHED: 0 }, { port: 81 }],
      'it stayed',
    );
  },
);

t.test('an edge in overflow gets a series when there is room again', async (t) => {
  const { table, enter } = newScene({ seriesMax: 1 });
  const [first, second] = [routeTo(80), routeTo(81)];
  table.open(first, { count: 2 });
  table.open(second);
  enter();
  table.close(first, { count: 2 });
  t.match(told(enter()), [
    { primary: true, ESTABLISHED: 0 },
    { port: 81, ESTABLISHED: 1 },
  ]);
});

t.test('all series renamed at once are admitted at once', async (t) => {
  const { table, enter, ledger } = newScene({ seriesMax: 1_000 });
  for (let port = 1; port <= 1_000; port++) table.open(routeTo(port));
  enter();
  const series = enter({ owner: elsewhere });
  t.equal(ledger.size.overflowEdges, 0);
  t.equal(series.length, 1_000);
  t.ok(series.every(({ labels }) => 'name' in labels));
});

t.test('a snapshot makes the labels of 500 accounts again, and the rest wait whole', async (t) => {
  const { table, enter, ledger, described } = newScene({ seriesMax: 1_000 });
  const first = Array.from({ length: 1_000 }, (_, at) => routeTo(1 + at));
  const second = Array.from({ length: 600 }, (_, at) => routeTo(5_001 + at));
  for (const route of first) table.open(route, { count: 5 });
  for (const route of second) table.open(route);
  enter();
  t.equal(ledger.size.overflowEdges, 600);

  // Idle for 60 s their series end, and there is room for all.
  for (const route of first) table.close(route, { count: 5 });
  const before = described();
  enter({ afterMs: 60_000 });
  t.equal(described() - before, 500);
  t.equal(ledger.size.overflowEdges, 100);

  // With another source but the same labels: there is room, yet it must not part from the others.
  for (const { port } of second) table.open(routeTo(port!, '10.1.0.2'));
  const series = enter();
  t.equal(ledger.size.overflowEdges, 0);
  const own = series.filter(({ labels }) => 'port' in labels);
  t.equal(own.length, 600);
  t.ok(own.every((one) => countsOf(one).active.get('ESTABLISHED') === 2));
});

t.test('with a time to live of 0 a series still lives while it has connections', async (t) => {
  const table = new SimulatedTable();
  const ledger = new Ledger<object>({
    nodeName: 'node-a',
    seriesMax: 2,
    seriesTtlMs: 0,
    exclude: [],
    signals: [],
    describe: ({ port }) => ({ port }),
    describeOverflow: () => ({}),
  });
  table.open(routeTo(80));
  Array.from(ledger.begin(table.snapshot(1)));
  Array.from(ledger.rename(() => undefined));
  t.equal([...ledger.commit().series].length, 1);
});
