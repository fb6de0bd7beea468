import t from 'tap';
import type { Edge, Endpoint } from '../../src/connections/edge.ts';
import { parseExclude } from '../../src/connections/exclude.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import type { Series } from '../../src/connections/series.ts';
import type { Snapshot } from '../../src/connections/snapshot.ts';
import type { Identity } from '../../src/inventory/identity.ts';
import { SimulatedTable, type Route } from '../builders/simulated-table.ts';
import { OPENED } from '../../src/connections/measure.ts';
import { countsOf, valueOf } from '../builders/series.ts';

type Owners = Record<string, Identity>;

const web: Identity = { type: 'pod', name: 'web', node: 'node-a' };
const api: Identity = { type: 'pod', name: 'api', node: 'node-b' };
const webToApi: Route = { source: '10.1.0.1', destination: '10.2.0.1', port: 80 };
const webToDns: Route = { source: '10.1.0.1', destination: '10.2.0.9', port: 53, protocol: 17 };

function nameOf({ identity, address }: Endpoint): string {
  return identity?.name ?? address;
}

function describe({ source, destination, port, primary }: Edge) {
  return { source: nameOf(source), destination: nameOf(destination), port, primary };
}

function newLedger({ seriesMax = 100, seriesTtlMs = 60_000, exclude = [] as string[] } = {}) {
  return new Ledger<object>({
    nodeName: 'node-a',
    seriesMax,
    seriesTtlMs,
    exclude: exclude.map(parseExclude),
    signals: [],
    describe,
    describeOverflow: (primary) => ({ overflow: true, primary }),
  });
}

function enter<L extends object>(ledger: Ledger<L>, snapshot: Snapshot, owners: Owners = {}) {
  run(ledger.begin(snapshot));
  run(ledger.rename((address) => owners[address]));
  return [...ledger.commit().series];
}

function run(steps: Iterable<void>): void {
  Array.from(steps);
}

function told(series: Iterable<Series<object>>) {
  return Array.from(series, (one) => {
    const { opened, closed, active } = countsOf(one);
    return { ...one.labels, opened, closed, ...Object.fromEntries(active) };
  });
}

t.test('a baseline is active, and neither opened nor closed', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  table.open(webToApi, { count: 3 });
  const [series] = enter(ledger, table.snapshot(1_000));
  t.match(series, { startTimeMs: 1_000, publishedAtMs: 1_000 });
  t.same(countsOf(series!), { opened: 0, closed: 0, active: new Map([['ESTABLISHED', 3]]) });

  table.close(webToApi);
  t.same(told(enter(ledger, table.snapshot(2_000))), [
    { ...described(webToApi), opened: 0, closed: 0, ESTABLISHED: 2 },
  ]);
});

function described({ source, destination, port }: Route) {
  return { source, destination, port, primary: true };
}

t.test('a new series starts when it was last known to be 0', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  enter(ledger, table.snapshot(1_000));
  table.open(webToApi, { count: 2 });
  const [series] = enter(ledger, table.snapshot(31_000));
  t.match(series, { startTimeMs: 1_000, publishedAtMs: 31_000 });
  t.equal(valueOf(series!, OPENED), 2);
});

t.test('a start time is never later than the snapshot when the clock is set back', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  enter(ledger, table.snapshot(9_000));
  table.open(webToApi);
  const [series] = enter(ledger, table.snapshot(4_000));
  t.match(series, { startTimeMs: 4_000, publishedAtMs: 4_000 });
});

t.test('nothing of a snapshot shows before commit', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  table.open(webToApi);
  const published = enter(ledger, table.snapshot(1_000));
  const before = told(published);
  table.open(webToApi);
  table.open(webToDns);
  run(ledger.begin(table.snapshot(2_000)));
  run(ledger.rename(() => web));
  t.same(told(published), before);
  t.equal(ledger.size.edges, 1);
  ledger.commit();
  t.equal(ledger.size.edges, 2);
});

t.test('addresses() has those of the snapshot in hand, and forgets what no edge has', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  const viaService: Route = { ...webToApi, destination: '10.96.0.10', backend: '10.2.0.1' };
  table.open(viaService);
  run(ledger.begin(table.snapshot(1_000)));
  t.same([...ledger.addresses()], ['10.1.0.1', '10.96.0.10', '10.2.0.1']);
  run(ledger.rename(() => undefined));
  ledger.commit();

  table.close(viaService);
  table.open(webToDns);
  enter(ledger, table.snapshot(2_000));
  t.same([...ledger.addresses()], ['10.1.0.1', '10.2.0.9']);

  table.restart();
  enter(ledger, table.snapshot(3_000));
  table.close(webToDns);
  enter(ledger, table.snapshot(4_000));
  t.same([...ledger.addresses()], []);
});

t.test('a rename moves active at once; the old counter stops, a new one starts at 0', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  enter(ledger, table.snapshot(1_000));
  table.open(webToApi, { count: 4 });
  enter(ledger, table.snapshot(2_000));
  table.open(webToApi, { count: 2 });
  table.close(webToApi);
  const series = enter(ledger, table.snapshot(3_000), { '10.1.0.1': web });
  t.same(told(series), [
    { ...described(webToApi), opened: 4, closed: 0, ESTABLISHED: 0 },
    { ...described(webToApi), source: 'web', opened: 2, closed: 1, ESTABLISHED: 5 },
  ]);
  t.match(series[1], { startTimeMs: 2_000, publishedAtMs: 3_000 });
});

t.test('a late name that changes who is primary is a rename', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  table.open(webToApi);
  enter(ledger, table.snapshot(1_000));
  const series = enter(ledger, table.snapshot(2_000), { '10.1.0.1': { ...web, node: 'node-b' } });
  t.same(told(series).at(-1), {
    ...described(webToApi),
    source: 'web',
    primary: false,
    opened: 0,
    closed: 0,
    ESTABLISHED: 1,
  });
});

t.test('the addresses of this node are its own, whoever else claims them', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  table.open(webToApi);
  table.open({ ...webToApi, source: '10.1.0.2' });
  const local = ['10.1.0.1', '10.1.0.2'];
  const series = enter(ledger, table.snapshot(1_000, local), { '10.1.0.2': api });
  t.match(told(series), [
    { source: 'node-a', primary: true },
    { source: 'api', primary: true },
  ]);

  const later = enter(ledger, table.snapshot(2_000), { '10.1.0.2': api });
  t.match(told(later).slice(2), [{ source: '10.1.0.1' }, { source: 'api', primary: false }]);
});

t.test('edges that differ only in what no label says share a series', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  const service: Route = { ...webToApi, destination: '10.96.0.10' };
  table.open({ ...service, backend: '10.2.0.1' }, { count: 2 });
  table.open({ ...service, backend: '10.2.0.2' }, { count: 3 });
  t.same(told(enter(ledger, table.snapshot(1_000))), [
    { ...described(service), opened: 0, closed: 0, ESTABLISHED: 5 },
  ]);
});

t.test('a series is forgotten after its time, and starts anew when it returns', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger({ seriesTtlMs: 60_000 });
  enter(ledger, table.snapshot(0));
  table.open(webToApi);
  enter(ledger, table.snapshot(30_000));
  table.close(webToApi);
  enter(ledger, table.snapshot(60_000));
  t.same(told(enter(ledger, table.snapshot(119_999))), [
    { ...described(webToApi), opened: 1, closed: 1, ESTABLISHED: 0 },
  ]);
  t.same(enter(ledger, table.snapshot(120_000)), []);

  table.open(webToApi);
  const [series] = enter(ledger, table.snapshot(150_000));
  t.match(series, { startTimeMs: 120_000, publishedAtMs: 150_000 });
  t.match(countsOf(series!), { opened: 1, closed: 0 });
});

t.test('another baseline keeps the series and their counters', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  enter(ledger, table.snapshot(1_000));
  table.open(webToApi, { count: 2 });
  table.open(webToDns);
  enter(ledger, table.snapshot(2_000));
  table.close(webToDns);
  table.open(webToApi);
  table.restart();
  t.same(told(enter(ledger, table.snapshot(3_000))), [
    { ...described(webToApi), opened: 2, closed: 0, ESTABLISHED: 3 },
    { ...described(webToDns), opened: 1, closed: 0, UNKNOWN: 0 },
  ]);
});

t.test('what is excluded reaches no series, and is counted', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger({ exclude: ['127.0.0.0/8', 'udp/53'] });
  const loopback: Route = { source: '127.0.0.1', destination: '127.0.0.1', port: 80 };
  table.open(loopback, { count: 3 });
  table.open(webToDns, { count: 4 });
  table.open(webToApi);
  t.match(told(enter(ledger, table.snapshot(1_000))), [{ ESTABLISHED: 1 }]);
  t.same(ledger.size, {
    edges: 1,
    overflowEdges: 0,
    series: 1,
    excludedEdges: 2,
    excludedEntries: 7,
  });
  t.same([...ledger.addresses()], ['10.1.0.1', '10.2.0.1']);

  table.close(loopback, { count: 3 });
  enter(ledger, table.snapshot(2_000));
  t.match(ledger.size, { excludedEdges: 1, excludedEntries: 4 });
});

t.test('steps out of order are refused, and a baseline follows a lost snapshot', async (t) => {
  const table = new SimulatedTable();
  const ledger = newLedger();
  t.throws(() => ledger.commit(), {
    message: 'Cannot commit: the snapshot is committed, not named',
  });
  table.open(webToApi);
  run(ledger.begin(table.snapshot(1_000)));
  t.throws(() => ledger.commit(), { message: 'Cannot commit: the snapshot is read, not named' });
  t.throws(() => run(ledger.begin(table.snapshot(2_000))), {
    message: 'Cannot begin a snapshot: the last one is read, but not committed',
  });
  run(ledger.rename(() => undefined));
  t.throws(() => run(ledger.rename(() => undefined)), {
    message: 'Cannot name edges: the snapshot is named, not read',
  });

  table.restart();
  t.match(told(enter(ledger, table.snapshot(3_000))), [{ ESTABLISHED: 1 }]);
  t.same([...ledger.addresses()], ['10.1.0.1', '10.2.0.1']);
  table.close(webToApi);
  enter(ledger, table.snapshot(4_000));
  t.same([...ledger.addresses()], []);
});
