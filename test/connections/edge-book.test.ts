import t from 'tap';
import { EdgeBook, EXCLUDED } from '../../src/connections/edge-book.ts';
import { EndpointBook } from '../../src/connections/endpoint-book.ts';
import { Exclusion, parseExclude } from '../../src/connections/exclude.ts';
import type { Snapshot } from '../../src/connections/snapshot.ts';
import { SimulatedTable, type Route } from '../builders/simulated-table.ts';

const plain: Route = { source: '10.1.0.1', destination: '10.2.0.1', port: 80 };

function newBooks(...exclude: string[]) {
  const exclusion = new Exclusion(exclude.map(parseExclude));
  const endpoints = new EndpointBook({ exclusion, nodeName: 'node-a' });
  return { endpoints, edges: new EdgeBook<object>({ endpoints, exclusion }) };
}

function enter(edges: EdgeBook<object>, snapshot: Snapshot): void {
  Array.from(edges.read(snapshot));
  edges.settle(snapshot.baseline);
}

function edgeOf(edges: EdgeBook<object>, number: number) {
  const edge = edges.get(number);
  if (edge === EXCLUDED) throw new Error(`edge ${number} is excluded`);
  return edge;
}

t.test('an edge is read with both ends, its backend and its ports', async (t) => {
  const { edges } = newBooks();
  const table = new SimulatedTable();
  table.open({
    source: '2001:db8::1',
    destination: 'fd00::a',
    backend: 'fd01::b',
    port: 443,
    backendPort: 8443,
    sourceTranslated: true,
  });
  enter(edges, table.snapshot(1));
  t.match(edgeOf(edges, 0), {
    source: { address: '2001:db8::1' },
    destination: { address: 'fd00::a' },
    backend: { address: 'fd01::b' },
    protocol: 6,
    port: 443,
    backendPort: 8443,
    sourceTranslated: true,
  });
});

t.test('a protocol without ports has none', async (t) => {
  const { edges } = newBooks();
  const table = new SimulatedTable();
  table.open({ source: '10.0.0.1', destination: '10.0.0.2', protocol: 1 });
  enter(edges, table.snapshot(1));
  const { protocol, port, backendPort } = edgeOf(edges, 0);
  t.equal(protocol, 1);
  t.equal(port, undefined);
  t.equal(backendPort, undefined);
});

t.test('edges share the endpoint of an address, and the last one takes it along', async (t) => {
  const { edges, endpoints } = newBooks();
  const table = new SimulatedTable();
  table.open(plain);
  table.open({ ...plain, port: 81 });
  enter(edges, table.snapshot(1));
  t.equal(edgeOf(edges, 0).source, edgeOf(edges, 1).source);
  t.equal(edgeOf(edges, 0).destination, edgeOf(edges, 0).backend);

  edges.end(0);
  t.same([...endpoints.addresses()], ['10.1.0.1', '10.2.0.1']);
  edges.end(1);
  t.same([...endpoints.addresses()], []);
  t.throws(() => edges.get(1), { message: 'Cannot find edge 1: no snapshot told its key' });
});

t.test('of an excluded edge nothing but the number is kept', async (t) => {
  const { edges, endpoints } = newBooks('10.2.0.0/16', 'udp/53');
  const table = new SimulatedTable();
  table.open(plain);
  table.open({ source: '10.3.0.1', destination: '10.3.0.2', protocol: 17, port: 53 });
  enter(edges, table.snapshot(1));
  t.equal(edges.get(0), EXCLUDED);
  t.equal(edges.get(1), EXCLUDED);
  t.same([...endpoints.addresses()], []);
});

t.test('a snapshot that counts an edge without a key is refused', async (t) => {
  const { edges } = newBooks();
  const table = new SimulatedTable();
  table.open(plain);
  enter(edges, table.snapshot(1));
  const snapshot = table.snapshot(2);
  const unknown = { ...snapshot, edges: { ...snapshot.edges, number: Uint32Array.of(7) } };
  t.throws(() => enter(edges, unknown), {
    message: 'Cannot read a snapshot: it counts edge 7, but none told its key',
  });
});

t.test('a snapshot that gives a number to a second edge is refused', async (t) => {
  const { edges } = newBooks();
  const table = new SimulatedTable();
  table.open(plain);
  const snapshot = table.snapshot(1);
  enter(edges, snapshot);
  t.throws(() => enter(edges, { ...snapshot, baseline: false }), {
    message: 'Cannot read a snapshot: edge 0 is new, but its number is in use',
  });
});
