import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { watchCluster } from '../../src/cluster/watch-cluster.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { added, bookmark, KubeApi, listEnd, type Call } from '../fakes/kube-api.ts';

const KINDS = new Map([
  ['/api/v1/nodes', 'Node'],
  ['/api/v1/pods', 'Pod'],
  ['/api/v1/services', 'Service'],
  ['/apis/discovery.k8s.io/v1/endpointslices', 'EndpointSlice'],
]);
const NODE = {
  metadata: {
    name: 'node-a',
    uid: 'n',
    resourceVersion: '1',
    labels: { 'topology.kubernetes.io/zone': 'west' },
  },
  status: { addresses: [{ type: 'InternalIP', address: '192.168.0.1' }] },
};
const POD = {
  metadata: { name: 'web', namespace: 'shop', uid: 'p', resourceVersion: '1' },
  spec: { nodeName: 'node-a' },
  status: { phase: 'Running', podIPs: [{ ip: '10.1.0.1' }] },
};

/** A watch of a cluster, and the streams that it has asked for, by kind. */
async function watching(t: Test) {
  const api = await KubeApi.listen(t);
  const inventory = new Inventory({ now: Date.now });
  const clock = { nowMs: 1_000_000 };
  const interruptions: string[] = [];
  let told: (() => void) | undefined;
  const text = kubeconfig({ server: `http://${api.host}` });
  const watch = watchCluster({
    client: ClusterClient.load({
      kubeconfig: join(t.testdir({ kubeconfig: text }), 'kubeconfig'),
    }),
    inventory,
    log: capturedLog().log,
    now: () => clock.nowMs,
    observer: {
      event: () => told?.(),
      listed: () => told?.(),
      rejected: (kind) => t.fail(`${kind} is rejected`),
      interrupted: (kind, reason) => {
        interruptions.push(`${kind} ${reason}`);
        told?.();
      },
    },
  });
  t.teardown(() => watch[Symbol.asyncDispose]());
  const streams = new Map<string, Call>();
  for (let each = 0; each < 4; each++) {
    const call = await api.next();
    streams.set(KINDS.get(call.path) ?? call.path, call);
  }
  const stream = (kind: string): Call => streams.get(kind)!;
  /** Resolves when something was told that makes it true. */
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise<void>((resolve) => (told = () => setImmediate(resolve)));
  };
  return { api, clock, interruptions, inventory, stream, streams, until, watch };
}

t.test('it is synced when all four kinds have been read', async (t) => {
  const { inventory, stream, streams, until, watch } = await watching(t);
  t.strictSame([...streams.keys()].toSorted(), [...KINDS.values()].toSorted());
  stream('Pod').send(added(POD), listEnd('5'));
  stream('Service').send(listEnd('5'));
  stream('EndpointSlice').send(listEnd('5'));
  await until(() => watch.statuses.filter(({ synced }) => synced).length === 3);
  t.strictSame(watch.state, { synced: false, stale: false });
  stream('Node').send(added(NODE), listEnd('5'));
  await until(() => watch.state.synced);
  t.match(inventory.identityOf('10.1.0.1'), { name: 'web', topologyZone: 'west' });
  t.match(watch.statuses.map(({ kind, objects }) => `${objects} ${kind}`).toSorted(), [
    '0 EndpointSlice',
    '0 Service',
    '1 Node',
    '1 Pod',
  ]);
});

t.test('it is stale when one kind fails for half a minute, until it is heard of', async (t) => {
  const { api, clock, interruptions, stream, streams, until, watch } = await watching(t);
  for (const each of streams.values()) each.send(listEnd('5'));
  await until(() => watch.state.synced);
  stream('Service').reset();
  await until(() => interruptions.includes('Service reset'));
  clock.nowMs += 30_000;
  t.strictSame(watch.state, { synced: true, stale: false });
  clock.nowMs += 1;
  t.strictSame(watch.state, { synced: true, stale: true });
  const again = await api.next();
  t.equal(again.path, '/api/v1/services');
  again.send(bookmark('6'));
  await until(() => !watch.state.stale);
});

t.test('disposed of, it leaves nothing open', async (t) => {
  const { api, streams, watch } = await watching(t);
  await watch[Symbol.asyncDispose]();
  await Promise.all([...streams.values()].map((each) => each.gone()));
  await api.idle();
  t.equal(api.unseen, 0);
});
