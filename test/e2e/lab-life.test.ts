/** What happens to names while a cluster lives: pods come and go, addresses are reused, programs die. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { type Addresses, FAMILIES, place } from '../../src/demo/topology.ts';
import { type Cluster, clusterTests } from '../kernel/cluster.ts';
import { type Row, rowsOfBoth } from '../kernel/rows.ts';
import { signalsOf } from '../kernel/signals.ts';
import { ControlPlane, SHOP, createPod } from './control-plane.ts';
import { requireServers } from './require-servers.ts';

const PORT = 8080;
const AWAY_MS = 60_000;
const NODE_B = { node: 'node-b', to: place('api-1').addresses, port: PORT };
const NODE_A = { node: 'node-a', to: place('api-0').addresses, port: PORT };

/** The rows of an edge whose source is called something else than in the lab's own inventory. */
function rowsFrom(
  source: Partial<Record<'src_type' | 'src_ns' | 'src_app' | 'src_name', string>>,
  edge: Parameters<typeof rowsOfBoth>[0],
  counts: Omit<Row, 'labels'>,
): readonly Row[] {
  return rowsOfBoth(edge, counts).map(({ labels, ...rest }) => {
    const { src_type: _type, src_ns: _ns, src_app: _app, src_name: _name, ...others } = labels;
    return { labels: { ...others, ...source }, ...rest };
  });
}

function podCalled(name: string): {
  src_type: string;
  src_ns: string;
  src_app: string;
  src_name: string;
} {
  return { src_type: 'pod', src_ns: 'shop', src_app: name.split('-')[0] ?? '', src_name: name };
}

/** The API server keeps whole seconds of a pod's start: what began in the same one may be anybody's. */
async function untilNextSecond(): Promise<void> {
  await delay(1000 - (Date.now() % 1000));
}

async function openBoth({ traffic }: Cluster, client: string, to: Addresses): Promise<void> {
  for (const family of FAMILIES) await traffic.open(client, { address: to[family], port: PORT });
}

await requireServers(t, async () => {
  let plane: ControlPlane;
  const test = await clusterTests(
    t,
    [
      ['api-0', 'tcp', PORT],
      ['api-1', 'tcp', PORT],
    ],
    async () => {
      plane = await ControlPlane.start(t, { without: ['cart-0'] });
      return plane.agentSettings;
    },
  );
  t.setTimeout(300_000);
  const replace = async (old: string, name: string, at = old) => {
    await plane.kube.delete(`${SHOP}/pods/${old}`);
    await createPod(plane.kube, place(at), { name });
  };
  /** What a page of the first replica says. */
  const pageOf = async (path: string) => fetch(`${plane.replicas[0]?.url}${path}`);

  test('where the kernel keeps when connections began, each stays with the pod that began it', async (t, cluster) => {
    await cluster.keepTimestamps(t);
    const edge = { ...NODE_B, from: place('dns-0').addresses };
    const expected: Row[] = [];
    const openAs = async (pod: string) => {
      await openBoth(cluster, 'dns-0', edge.to);
      const once = { opened: 1, closed: 0, active: { ESTABLISHED: 1 } };
      expected.push(...rowsFrom(podCalled(pod), edge, once));
      await cluster.agents.show(t, expected);
    };
    await openAs('dns-0');
    for (const [old, next] of [
      ['dns-0', 'dns-1'],
      ['dns-1', 'dns-2'],
    ] as const) {
      await untilNextSecond();
      await replace(old, next, 'dns-0');
      await plane.untilNamed(place('dns-0'), next);
      await openAs(next);
    }
  });

  test('a pod that is known only after its first connections gets its name then', async (t, cluster) => {
    const edge = { ...NODE_A, from: place('cart-0').addresses };
    await openBoth(cluster, 'cart-0', edge.to);
    const once = { opened: 1, closed: 0, active: { ESTABLISHED: 1 } };
    await cluster.agents.show(t, rowsFrom({}, edge, once));

    await createPod(plane.kube, place('cart-0'));
    await cluster.agents.show(t, [
      ...rowsFrom({}, edge, { opened: 1, closed: 0, active: {} }),
      ...rowsOfBoth(edge, { active: { ESTABLISHED: 1 } }),
    ]);
    await openBoth(cluster, 'cart-0', edge.to);
    await cluster.agents.show(t, [
      ...rowsFrom({}, edge, { opened: 1, closed: 0, active: {} }),
      ...rowsOfBoth(edge, { opened: 1, active: { ESTABLISHED: 2 } }),
    ]);
  });

  test('a deleted pod keeps its name until its address is reused, and its counts after that', async (t, cluster) => {
    const edge = { ...NODE_B, from: place('worker-0').addresses };
    await openBoth(cluster, 'worker-0', edge.to);
    await plane.kube.delete(`${SHOP}/pods/worker-0`);
    await cluster.agents.show(t, rowsOfBoth(edge, { opened: 1, active: { ESTABLISHED: 1 } }));

    await createPod(plane.kube, place('worker-0'), { name: 'worker-1' });
    await cluster.agents.show(t, [
      ...rowsOfBoth(edge, { opened: 1 }),
      ...rowsFrom(podCalled('worker-1'), edge, {
        opened: 0,
        closed: 0,
        active: { ESTABLISHED: 1 },
      }),
    ]);
    await openBoth(cluster, 'worker-0', edge.to);
    await cluster.agents.show(t, [
      ...rowsOfBoth(edge, { opened: 1 }),
      ...rowsFrom(podCalled('worker-1'), edge, {
        opened: 1,
        closed: 0,
        active: { ESTABLISHED: 2 },
      }),
    ]);
  });

  test('what a client still holds of a deleted pod is orphaned, until it is closed', async (t, cluster) => {
    const { traffic, agents } = cluster;
    const holding = [];
    for (const address of Object.values(NODE_B.to)) {
      holding.push(await traffic.open('cart-0', { address, port: PORT }));
    }
    const signals = async () =>
      signalsOf(await agents.samples(), { node: 'node-a', src_name: 'cart-0', dst_name: 'api-1' });
    t.ok(await agents.until(async () => (await signals())['idle lt_1m'] === 2));
    t.equal((await signals())['orphaned'], undefined, 'it lives');
    // The pod's object goes, its namespace and its sockets stay: nobody closes.
    await plane.kube.delete(`${SHOP}/pods/api-1`);
    t.ok(await agents.until(async () => (await signals())['orphaned'] === 2), 'both families');
    for (const connection of holding) await traffic.close(connection, 'orderly');
    t.ok(await agents.until(async () => (await signals())['orphaned'] === undefined));
    await createPod(plane.kube, place('api-1'));
  });

  test('a Completed pod does not own the address that another has now', async (t, cluster) => {
    const { kube } = plane;
    const edge = { ...NODE_B, from: place('dns-0').addresses };
    // Later than the live one, and its status keeps the addresses for good.
    await createPod(kube, place('dns-0'), { name: 'report-1', phase: 'Running' });
    await plane.untilNamed(place('dns-0'), 'report-1');
    await kube.api('PATCH', `${SHOP}/pods/report-1/status`, { status: { phase: 'Succeeded' } });
    const listed = await kube.kubectl([
      'get',
      'pod',
      '-n',
      'shop',
      'report-1',
      '-o',
      'jsonpath={.status.phase} {.status.podIP}',
    ]);
    t.equal(listed.output, `Succeeded ${edge.from.ipv4}`);
    await plane.untilNamed(place('dns-0'), 'dns-2');
    await openBoth(cluster, 'dns-0', edge.to);
    const once = { opened: 1, closed: 0, active: { ESTABLISHED: 1 } };
    await cluster.agents.show(t, rowsFrom(podCalled('dns-2'), edge, once));
  });

  test('with one controller killed, the other one names what is new', async (t, cluster) => {
    await plane.killReplica();
    t.equal(plane.replicas.length, 1);
    await replace('web-0', 'web-1');
    const edge = { ...NODE_A, from: place('web-0').addresses };
    await openBoth(cluster, 'web-0', edge.to);
    await cluster.agents.until(async () =>
      (await cluster.agents.samples()).some(({ labels }) => labels['src_name'] === 'web-1'),
    );
    await openBoth(cluster, 'web-0', edge.to);
    t.ok(
      await cluster.agents.until(async () => {
        const named = (await cluster.agents.rows()).filter(
          ({ labels }) => labels['src_name'] === 'web-1',
        );
        return named.length === 2 && named.every(({ active }) => active['ESTABLISHED'] === 2);
      }),
    );
  });

  test('with the API server gone for a minute, known names stay, and say that they may be old', async (t, cluster) => {
    const { agents } = cluster;
    const edge = { ...NODE_B, from: place('db-0').addresses };
    const staleNow = async () =>
      (await agents.samples())
        .filter(({ name }) => name === 'khan_mapping_stale')
        .map(({ value }) => value);
    await openBoth(cluster, 'db-0', edge.to);
    await agents.show(t, rowsOfBoth(edge, { opened: 1, active: { ESTABLISHED: 1 } }));
    t.strictSame(await staleNow(), [0, 0]);

    const beganMs = performance.now();
    await plane.kube.stopApiServer();
    await openBoth(cluster, 'db-0', edge.to);
    await agents.show(t, rowsOfBoth(edge, { opened: 2, active: { ESTABLISHED: 2 } }));
    t.ok(await agents.until(async () => (await staleNow()).every((value) => value === 1)));
    t.equal((await pageOf('/readyz')).status, 200, 'stale, but ready');
    await delay(Math.max(0, AWAY_MS - (performance.now() - beganMs)));
    await openBoth(cluster, 'db-0', edge.to);
    await agents.show(t, rowsOfBoth(edge, { opened: 3, active: { ESTABLISHED: 3 } }));

    await plane.kube.startApiServer();
    await replace('db-0', 'db-1');
    await agents.show(t, [
      ...rowsOfBoth(edge, { opened: 3 }),
      ...rowsFrom(podCalled('db-1'), edge, { opened: 0, closed: 0, active: { ESTABLISHED: 3 } }),
    ]);
    t.ok(await agents.until(async () => (await staleNow()).every((value) => value === 0)));
  });
});
