/** What khan leaves out, folds together and forgets: the sums stay the truth. */
import t from 'tap';
import { FAMILIES, NODES, place } from '../../src/demo/topology.ts';
import type { Connection } from '../../src/demo/traffic.ts';
import { WorkloadProcess } from '../../src/demo/workload-process.ts';
import type { Agents } from './agents.ts';
import { clusterTests } from './cluster.ts';
import { type Row, changes, clusterSum, inOrder, rowsOfBoth } from './rows.ts';

/** The client and the server of all tests, on two nodes. */
const CLIENT = place('worker-0').addresses;
const SERVER = place('web-0').addresses;
const VXLAN_PORT = 8472;
const PORTS = [7001, 7002, 7003, 7004, 7005, 7006, 7007, 7008];

const test = await clusterTests(t, [
  ['web-0', 'udp', VXLAN_PORT],
  ...PORTS.map((port) => ['web-0', 'tcp', port] as const),
]);

function overflow(node: string, primary: string): Row {
  const labels = { otel_metric_overflow: 'true', node, primary };
  return { labels, opened: 3, closed: 0, active: { ESTABLISHED: 3 } };
}

function isForgettable({ labels }: Row): boolean {
  return labels['dst_port'] === '7002';
}

/** Of all nodes. */
async function excludedEntries(agents: Agents): Promise<number> {
  const samples = await agents.samples();
  return samples
    .filter(({ name }) => name === 'khan_agent_excluded_entries')
    .reduce((sum, { value }) => sum + value, 0);
}

// Comes first: edges that other tests leave behind would take series.
test('above --series-max the sums stay exact, through overflow and back', async (t, cluster) => {
  const { traffic } = cluster;
  await cluster.shorten(t, { tcp_timeout_time_wait: 1 });
  await using agents = await cluster.newAgents(['--series-max', '5']);
  const open: Connection[] = [];
  const openOn = async (ports: readonly number[]) => {
    for (const port of ports)
      open.push(await traffic.open('worker-0', { address: SERVER.ipv4, port }));
  };
  const increase = { opened: 0, closed: 0, active: 0 };
  let rows = await agents.rows();
  t.strictSame(rows, []);
  const look = async () => {
    const now = await agents.rows();
    const step = clusterSum(changes(now, rows));
    increase.opened += step.opened;
    increase.closed += step.closed;
    increase.active = clusterSum(now).active;
    rows = now;
  };

  await openOn(PORTS.slice(0, 5));
  await agents.tick();
  await look();
  await openOn(PORTS.slice(5));
  await agents.tick();
  await look();
  t.strictSame(increase, { opened: 8, closed: 0, active: 8 });
  t.strictSame(
    rows.filter(({ labels }) => 'otel_metric_overflow' in labels),
    inOrder([overflow('node-a', 'false'), overflow('node-b', 'true')]),
  );

  // Large enough to take the place of another.
  await openOn([7008, 7008, 7008]);
  await agents.tick();
  await look();
  t.strictSame(increase, { opened: 11, closed: 0, active: 11 });
  const grown = rows.filter(({ labels }) => labels['dst_port'] === '7008');
  t.match(grown, [{ active: { ESTABLISHED: 4 } }, { active: { ESTABLISHED: 4 } }]);

  for (const connection of open) await traffic.close(connection, 'orderly');
  await agents.until(async () => {
    await look();
    return increase.active === 0;
  });
  t.strictSame(increase, { opened: 11, closed: 11, active: 0 });
  t.equal(open.length, 11);
});

test('loopback and tunnels are left out, and counted as left out', async (t, cluster) => {
  const { agents, lab, traffic } = cluster;
  const before = await excludedEntries(agents);
  await using loopback = new WorkloadProcess('loopback', lab.namespace('node-a'));
  const addresses = ['127.0.0.1', '::1'];
  await loopback.call('listen', { transport: 'tcp', addresses, port: 7000 });
  for (const address of addresses) await loopback.call('open', { address, port: 7000 });
  for (const address of Object.values(SERVER))
    await traffic.exchange('worker-0', { address, port: VXLAN_PORT });
  await agents.show(t, [], { opened: 0 });
  // Loopback stands in one table, the tunnel in two.
  t.equal((await excludedEntries(agents)) - before, 6);
});

test('an exclude of its own replaces the default', async (t, cluster) => {
  const { traffic } = cluster;
  await using agents = await cluster.newAgents(['--exclude', 'tcp/7001']);
  for (const address of Object.values(SERVER)) {
    await traffic.exchange('worker-0', { address, port: VXLAN_PORT });
    await traffic.open('worker-0', { address, port: 7001 });
  }
  const edge = { from: CLIENT, to: SERVER, port: VXLAN_PORT, transport: 'udp' };
  const once = { opened: 1, active: { REPLIED: 1 } };
  const shown = [
    ...rowsOfBoth({ node: 'node-b', ...edge }, once),
    ...rowsOfBoth({ node: 'node-a', ...edge, primary: false }, once),
  ];
  await agents.show(t, shown, { opened: FAMILIES.length });
  t.equal(await excludedEntries(agents), NODES.length * FAMILIES.length);
});

test('an edge without connections is forgotten after --series-ttl, and returns from 0', async (t, cluster) => {
  const { traffic } = cluster;
  await cluster.shorten(t, { tcp_timeout_time_wait: 1 });
  await using agents = await cluster.newAgents(['--series-ttl', '1s']);
  const peers = Object.values(SERVER).map((address) => ({ address, port: 7002 }));
  const edge = { from: CLIENT, to: SERVER, port: 7002 };
  const once = { opened: 1, active: { ESTABLISHED: 1 } };
  const shown = [
    ...rowsOfBoth({ node: 'node-b', ...edge }, once),
    ...rowsOfBoth({ node: 'node-a', ...edge, primary: false }, once),
  ];
  const open = [];
  for (const peer of peers) open.push(await traffic.open('worker-0', peer));
  await agents.show(t, shown);

  for (const connection of open) await traffic.close(connection, 'orderly');
  t.ok(await agents.until(async () => !(await agents.rows()).some(isForgettable)), 'forgotten');
  traffic.forget();
  for (const peer of peers) await traffic.open('worker-0', peer);
  await agents.show(t, shown);
});
