/** What the kernel's table shows beside states: idle, half-closed, unanswered, old connections, and traffic. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { DROPPED_PORT } from '../../src/demo/lab.ts';
import { place } from '../../src/demo/topology.ts';
import { clusterTests, type Cluster } from './cluster.ts';
import { hasAll, signalsOf, trafficOf, type Signals } from './signals.ts';

const test = await clusterTests(t, [['db-0', 'tcp', 5432]]);

const PORT = 5432;
const SERVER = place('db-0').addresses;
const MINUTE_MS = 60_000;
/** The table of the client's node, and of the server's. */
const NODES = [
  { node: 'node-a', primary: 'true' },
  { node: 'node-b', primary: 'false' },
];

const peers = (port = PORT) => Object.values(SERVER).map((address) => ({ address, port }));

/** Takes snapshots until the signals of a client's edges to the server are these, in both tables. */
async function show(t: Test, { agents }: Cluster, client: string, expected: Signals, port = PORT) {
  const told = async () => {
    const samples = await agents.samples();
    const edge = { src_name: client, dst_name: 'db-0', dst_port: String(port) };
    return NODES.map((table) => signalsOf(samples, { ...table, ...edge }));
  };
  await agents.until(async () => isDeepStrictEqual(await told(), [expected, expected]));
  t.strictSame(await told(), [expected, expected]);
}

test('half-closed is told by who has closed, and by nobody when both have', async (t, cluster) => {
  const { traffic } = cluster;
  const open = await Promise.all(
    [1, 2, 3].flatMap(() => peers().map((peer) => traffic.open('cart-0', peer))),
  );
  const [first, second, ...others] = open;
  for (const connection of others) await traffic.close(connection, 'half by server');
  await traffic.close(first!, 'half');
  await traffic.close(second!, 'orderly');
  await show(t, cluster, 'cart-0', { 'half_closed client': 1, 'half_closed server': 4 });
  for (const connection of others) await traffic.close(connection, 'orderly');
  await show(t, cluster, 'cart-0', { 'half_closed client': 1 });
});

test('a SYN that nobody answers is unanswered, one that is answered is not', async (t, cluster) => {
  const { traffic } = cluster;
  for (const peer of peers(DROPPED_PORT)) {
    await traffic.attempt('web-0', { ...peer, timeoutMs: 100 });
  }
  for (const peer of peers()) await traffic.open('web-0', peer);
  await cluster.agents.tick();
  const samples = await cluster.agents.samples();
  const onNode = (node: string, port: number) =>
    signalsOf(samples, { node, src_name: 'web-0', dst_port: String(port) });
  // The first of them is dropped behind both tables.
  for (const { node } of NODES) {
    t.strictSame(onNode(node, DROPPED_PORT), { unanswered: 2 });
    t.strictSame(onNode(node, PORT), { 'idle lt_1m': 2 });
  }
});

test('a connection is idle for as long as no packet comes, and keepalives are packets', async (t, cluster) => {
  const { traffic, lab } = cluster;
  const [ipv4, ipv6] = peers();
  await traffic.open('api-0', ipv4!);
  await traffic.open('api-0', ipv6!);
  const busy = await traffic.open('api-0', ipv4!);
  // It leaks as the first two do, but its kernel asks every few seconds whether the other end lives.
  await traffic.open('api-0', { ...ipv6!, keepAliveMs: 5000 });
  await show(t, cluster, 'api-0', { 'idle lt_1m': 4 });
  const endMs = performance.now() + MINUTE_MS + 1000;
  while (performance.now() < endMs) {
    await delay(5000);
    await traffic.say(busy, 1);
  }
  await show(t, cluster, 'api-0', { 'idle lt_1m': 2, 'idle 1m_10m': 2 });

  // Sent, but never acknowledged: the kernel has another timeout for such a connection.
  await lab.namespace('db-0').nft(`table inet deaf {
    chain in {
      type filter hook input priority 0
      ip saddr ${place('api-0').addresses.ipv4} drop
    }
  }`);
  t.teardown(() => lab.namespace('db-0').nft('delete table inet deaf'));
  await traffic.say(busy, 1);
  await show(t, cluster, 'api-0', { 'idle lt_1m': 1, 'idle 1m_10m': 2, 'idle unknown': 1 });
});

test('a timeout of its own is unknown', async (t, cluster) => {
  const { traffic, lab } = cluster;
  for (const { node } of NODES) {
    await lab.namespace(node).nft(`table inet patient {
      ct timeout long {
        protocol tcp
        l3proto ip
        policy = { established : 1000000 }
      }
      chain in {
        type filter hook prerouting priority -150
        ip saddr ${place('worker-0').addresses.ipv4} tcp dport ${PORT} ct timeout set "long"
      }
    }`);
    t.teardown(() => lab.namespace(node).nft('delete table inet patient'));
  }
  const [ipv4, ipv6] = peers();
  await traffic.open('worker-0', ipv4!);
  await traffic.open('worker-0', ipv6!);
  const told = async () => signalsOf(await cluster.agents.samples(), { src_name: 'worker-0' });
  const expected = { 'idle lt_1m': 1, 'idle unknown': 1 };
  await cluster.agents.until(async () => isDeepStrictEqual(await told(), expected));
  t.strictSame(await told(), expected, 'both are on one node');
});

test('the oldest connection is as old as the kernel says, where it does', async (t, cluster) => {
  const { traffic, agents } = cluster;
  const ages = async () =>
    (await agents.samples()).filter(
      ({ name, labels }) =>
        name === 'khan_connection_oldest_seconds' &&
        hasAll(labels, {
          node: 'node-a',
          src_name: 'web-0',
          dst_port: '5432',
          dst_ip: SERVER.ipv4,
        }),
    );
  const open = (sourcePort: number) => traffic.open('web-0', { ...peers()[0]!, sourcePort });
  await agents.tick();
  const before = await ages();
  t.strictSame(
    before.map(({ labels }) => labels['exact']),
    ['false'],
    'of the connections that other tests have left the kernel does not say',
  );

  await cluster.keepTimestamps(t);
  const openedMs = Date.now();
  await traffic.open('monitor-0', { ...peers()[0]!, sourcePort: 19_100 });
  const opened = Date.now();
  await open(19_101);
  await delay(1500);
  const tickedMs = Date.now();
  await agents.tick();
  const endedMs = Date.now();
  const [age] = (await agents.samples()).filter(
    ({ name, labels }) =>
      name === 'khan_connection_oldest_seconds' &&
      hasAll(labels, { node: 'node-a', dst_ip: SERVER.ipv4, src_type: 'node' }),
  );
  t.equal(age?.labels['exact'], 'true');
  const seconds = age?.value ?? Number.NaN;
  t.ok(
    seconds >= (tickedMs - opened) / 1000 && seconds <= (endedMs - openedMs) / 1000,
    `${seconds} s`,
  );
});

test('bytes and packets are what nftables has counted, through the end of a connection', async (t, cluster) => {
  const { traffic, agents, lab } = cluster;
  await cluster.shorten(t, { tcp_timeout_time_wait: 2 });
  await cluster.keepAccounts(t);
  const node = lab.namespace('node-a');
  const client = place('cart-0').addresses.ipv4;
  await node.nft(`table inet truth {
    chain in {
      type filter hook prerouting priority -300
      ip saddr ${client} ip daddr ${SERVER.ipv4} counter comment "to_server"
      ip saddr ${SERVER.ipv4} ip daddr ${client} counter comment "to_client"
    }
  }`);
  t.teardown(() => node.nft('delete table inet truth'));
  const counted = async () => {
    const text = await node.run(['nft', 'list', 'table', 'inet', 'truth']);
    const counters = text.matchAll(
      /counter packets (?<packets>\d+) bytes (?<bytes>\d+) comment "(?<direction>\w+)"/g,
    );
    return Object.fromEntries(
      Array.from(counters, ({ groups }) => groups ?? {}).flatMap((groups) =>
        ['bytes', 'packets'].map((unit) => [
          `${unit} ${groups['direction']}`,
          Number(groups[unit]),
        ]),
      ),
    );
  };
  const labels = { node: 'node-a', src_ip: client, dst_ip: SERVER.ipv4 };
  const told = async () => trafficOf(await agents.samples(), labels);
  const agree = async () => isDeepStrictEqual(sorted(await told()), sorted(await counted()));

  const long = await traffic.open('cart-0', peers()[0]!);
  const short = await traffic.open('cart-0', peers()[0]!);
  for (const bytes of [1, 1000, 100_000]) {
    await traffic.say(long, bytes);
    await traffic.say(short, bytes);
    t.ok(await agents.until(agree), `after ${bytes} bytes`);
  }
  t.ok(((await told())['bytes to_server'] ?? 0) > 200_000);
  const closed = async () => {
    const samples = await agents.samples();
    const of = samples.filter(({ name }) => name === 'khan_connection_closed_total');
    return of.find((sample) => hasAll(sample.labels, labels))?.value;
  };
  const before = await told();
  await traffic.close(short, 'orderly');
  t.ok(await agents.until(async () => (await closed()) === 1));
  const after = await told();
  for (const [key, value] of Object.entries(before)) t.ok((after[key] ?? 0) >= value, key);
});

const sorted = (signals: Signals) =>
  Object.entries(signals).toSorted(([a], [b]) => (a < b ? -1 : 1));
