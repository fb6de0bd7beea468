/** The life of a connection: when it counts as opened, when as closed, and as what it is active. */
import t from 'tap';
import { DROPPED_PORT } from '../../src/demo/lab.ts';
import { place } from '../../src/demo/topology.ts';
import { clusterTests } from './cluster.ts';
import { type Row, rowsOfBoth } from './rows.ts';

const test = await clusterTests(t, [
  ['db-0', 'tcp', 5432],
  ['api-0', 'tcp', 8080],
]);

const CLIENT = place('web-0').addresses;
const SERVER = place('db-0').addresses;
const NEIGHBOUR = place('api-0').addresses;
const REFUSED_PORT = 5999;
/** Long enough for two snapshots on a busy machine. */
const SHORT_SECONDS = 3;

/** One connection of each family from the client to a server on the other node, in both tables. */
function inBothTables(counts: Omit<Row, 'labels'>, port = 5432): readonly Row[] {
  const edge = { from: CLIENT, to: SERVER, port };
  return [
    ...rowsOfBoth({ node: 'node-a', ...edge }, counts),
    ...rowsOfBoth({ node: 'node-b', ...edge, primary: false }, counts),
  ];
}

/** The connections that nobody but the test of the baseline opens. */
function isBefore({ labels }: Pick<Row, 'labels'>): boolean {
  return labels['dst_port'] === '8080';
}

function uncounted(active: Row['active']): readonly Row[] {
  const edge = { node: 'node-a', from: CLIENT, to: NEIGHBOUR, port: 8080 };
  return rowsOfBoth(edge, { opened: 0, closed: 0, active });
}

test('closed by FIN between two snapshots, it is opened, and closed after TIME_WAIT', async (t, cluster) => {
  const { agents, traffic } = cluster;
  await cluster.shorten(t, { tcp_timeout_time_wait: SHORT_SECONDS });
  for (const address of Object.values(SERVER)) {
    const connection = await traffic.open('web-0', { address, port: 5432 });
    await traffic.close(connection, 'orderly');
  }
  await agents.show(t, inBothTables({ opened: 1, closed: 0, active: { TIME_WAIT: 1 } }));
  await agents.show(t, inBothTables({ opened: 1, closed: 1, active: {} }));
});

test('reset between two snapshots, it is opened, and closed after CLOSE', async (t, cluster) => {
  const { agents, traffic } = cluster;
  await cluster.shorten(t, { tcp_timeout_close: SHORT_SECONDS });
  for (const address of Object.values(SERVER))
    await traffic.close(await traffic.open('web-0', { address, port: 5432 }), 'reset');
  await agents.show(t, inBothTables({ opened: 1, closed: 0, active: { CLOSE: 1 } }));
  await agents.show(t, inBothTables({ opened: 1, closed: 1, active: {} }));
});

test('the same tuple opened again out of TIME_WAIT is another connection', async (t, cluster) => {
  const { agents, traffic } = cluster;
  const open = async () =>
    Promise.all(
      Object.values(SERVER).map((address) =>
        traffic.open('web-0', { address, port: 5432, sourcePort: 19_001 }),
      ),
    );
  for (const connection of await open()) await traffic.close(connection, 'orderly by server');
  await agents.show(t, inBothTables({ opened: 1, closed: 0, active: { TIME_WAIT: 1 } }));
  await open();
  await agents.show(t, inBothTables({ opened: 2, closed: 1, active: { ESTABLISHED: 1 } }));
});

test('half closed, it is active in CLOSE_WAIT', async (t, { agents, traffic }) => {
  for (const address of Object.values(SERVER))
    await traffic.close(await traffic.open('web-0', { address, port: 5432 }), 'half');
  await agents.show(t, inBothTables({ opened: 1, closed: 0, active: { CLOSE_WAIT: 1 } }));
});

test('never answered, it is opened and active in SYN_SENT', async (t, { agents, traffic }) => {
  for (const address of Object.values(SERVER))
    await traffic.attempt('web-0', { address, port: DROPPED_PORT, timeoutMs: 100 });
  const counts = { opened: 1, closed: 0, active: { SYN_SENT: 1 } };
  await agents.show(t, inBothTables(counts, DROPPED_PORT));
});

test('refused, it is not seen: the kernel forgets it at once', async (t, { agents, traffic }) => {
  for (const address of Object.values(SERVER))
    await t.rejects(traffic.open('web-0', { address, port: REFUSED_PORT }), /ECONNREFUSED/);
  await agents.show(t, []);
});

test('refused, it is opened and closed at once where events are followed', async (t, cluster) => {
  const { traffic } = cluster;
  await using agents = await cluster.newAgents(['--events', 'destroy']);
  for (const address of Object.values(SERVER))
    await t.rejects(traffic.open('web-0', { address, port: REFUSED_PORT }), /ECONNREFUSED/);
  const counts = { opened: 1, closed: 1, active: {} };
  await agents.show(t, inBothTables(counts, REFUSED_PORT), { opened: 2 });
});

test('there before the agent, it is active, but never opened and never closed', async (t, cluster) => {
  const { traffic } = cluster;
  const open = [];
  for (const address of Object.values(NEIGHBOUR))
    open.push(await traffic.open('web-0', { address, port: 8080 }));
  traffic.forget();

  await using agents = await cluster.newAgents();
  t.strictSame((await agents.rows()).filter(isBefore), uncounted({ ESTABLISHED: 1 }));
  const zeros = (await agents.samples()).filter(
    (sample) => isBefore(sample) && sample.name.endsWith('_total'),
  );
  t.strictSame(
    zeros.map(({ name, value }) => [name, value]),
    [
      ['khan_connection_total', 0],
      ['khan_connection_total', 0],
      ['khan_connection_closed_total', 0],
      ['khan_connection_closed_total', 0],
    ],
  );

  await cluster.shorten(t, { tcp_timeout_time_wait: 1 });
  for (const connection of open) await traffic.close(connection, 'orderly');
  await agents.until(async () =>
    (await agents.rows()).filter(isBefore).every(({ active }) => Object.keys(active).length === 0),
  );
  t.strictSame((await agents.rows()).filter(isBefore), uncounted({}));
});
