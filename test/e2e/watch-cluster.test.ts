/** The watch of a real API server, through everything that one does to those who watch. */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { TokenReviewer } from '../../src/cluster/token-review.ts';
import { watchCluster } from '../../src/cluster/watch-cluster.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { Kube } from './kube.ts';
import { requireServers } from './require-servers.ts';
import { ServiceAddress } from './service-address.ts';

const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;
const ACCOUNT = { namespace: 'default', name: 'khan-controller' };
const PODS = '/api/v1/namespaces/default/pods';

/** A watch that reaches the API server through a line that can be cut. */
async function watched(t: Test, kube: Kube) {
  const backend = { port: Number(new URL(kube.url).port) };
  const backends = [backend];
  const line = await ServiceAddress.listen(backends);
  t.teardown(() => line[Symbol.asyncDispose]());
  const server = `https://127.0.0.1:${line.port}`;
  const { path, tokenFile } = await kube.kubeconfig(await kube.token(ACCOUNT), { server });
  const inventory = new Inventory({ now: Date.now });
  const told: string[] = [];
  const watch = watchCluster({
    client: ClusterClient.load({ kubeconfig: path }),
    inventory,
    log: capturedLog().log,
    observer: {
      event: (kind, type) => told.push(`${kind} ${type}`),
      listed: (kind, { by, reason }) => told.push(`${kind} listed by ${by}: ${reason}`),
      interrupted: (kind, reason) => told.push(`${kind} ${reason}`),
      rejected: (kind) => told.push(`${kind} rejected`),
    },
  });
  t.teardown(() => watch[Symbol.asyncDispose]());
  const cut = (): void => {
    backends.length = 0;
    line.cut();
  };
  const mend = (): void => void backends.push(backend);
  const nameOf = (address: string) => inventory.identityOf(address)?.name;
  return { watch, inventory, told, tokenFile, cut, mend, nameOf };
}

async function until(t: Test, what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!condition() && performance.now() < endMs) await delay(PAUSE_MS);
  t.ok(condition(), what);
}

async function pod(kube: Kube, name: string, ip: string): Promise<void> {
  await kube.create(PODS, {
    metadata: { name },
    spec: { containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], startTime: new Date().toISOString() },
  });
}

async function startKube(t: Test, options?: Readonly<Record<string, string>>): Promise<Kube> {
  const kube = await Kube.start(options);
  t.teardown(() => kube[Symbol.asyncDispose]());
  await kube.createServiceAccount(ACCOUNT);
  await kube.grantControllerRules(ACCOUNT);
  return kube;
}

await requireServers(t, async () => {
  t.setTimeout(400_000);
  const kube = await startKube(t);

  await t.test('a watch-list stream tells all objects, and goes on as a watch', async (t) => {
    await pod(kube, 'first', '10.1.0.1');
    const { told, nameOf } = await watched(t, kube);
    await until(t, 'first', () => nameOf('10.1.0.1') === 'first');
    await pod(kube, 'second', '10.1.0.2');
    await until(t, 'second', () => nameOf('10.1.0.2') === 'second');
    await until(t, 'API server', () => nameOf('10.96.0.1') === 'kubernetes');
    t.strictSame(
      told.filter((line) => line.startsWith('Pod ') && line.includes('listed')),
      ['Pod listed by stream: start'],
    );
    t.strictSame(
      told.filter((line) => /reset|failed|refused/.test(line)),
      [],
    );
  });

  await t.test(
    'a pod that completes leaves the selection, and is deleted for whoever watches',
    async (t) => {
      await pod(kube, 'job', '10.1.0.3');
      const { told, nameOf, inventory } = await watched(t, kube);
      await until(t, 'job', () => nameOf('10.1.0.3') === 'job');
      await kube.api('PATCH', `${PODS}/job/status`, { status: { phase: 'Succeeded' } });
      await until(t, 'deleted', () => told.includes('Pod DELETED'));
      await pod(kube, 'heir', '10.1.0.3');
      await until(t, 'heir', () => nameOf('10.1.0.3') === 'heir');
      t.match(inventory.ownershipOf('10.1.0.3'), { previous: { name: 'job' } });
    },
  );

  await t.test('a hostNetwork pod is never sent', async (t) => {
    await kube.create(PODS, {
      metadata: { name: 'on-the-host' },
      spec: { hostNetwork: true, containers: [{ name: 'main', image: 'none' }] },
      status: { phase: 'Running', podIP: '192.168.0.1', podIPs: [{ ip: '192.168.0.1' }] },
    });
    const { watch, nameOf } = await watched(t, kube);
    await until(t, 'synced', () => watch.state.synced);
    t.equal(nameOf('192.168.0.1'), undefined);
  });

  await t.test(
    'cut off for a moment, it goes on where it was, and nothing is read twice',
    async (t) => {
      const { watch, told, nameOf, cut, mend } = await watched(t, kube);
      await until(t, 'synced', () => watch.state.synced);
      cut();
      await pod(kube, 'meanwhile', '10.1.0.4');
      await kube.delete(`${PODS}/second`);
      mend();
      await until(t, 'meanwhile', () => nameOf('10.1.0.4') === 'meanwhile');
      await until(t, 'deleted', () => told.includes('Pod DELETED'));
      t.equal(told.filter((line) => line.startsWith('Pod listed')).length, 1);
    },
  );

  await t.test(
    'what etcd has forgotten meanwhile is read again, and what is gone is gone',
    async (t) => {
      const { watch, inventory, told, nameOf, cut, mend } = await watched(t, kube);
      await until(t, 'synced', () => watch.state.synced);
      cut();
      await kube.delete(`${PODS}/meanwhile`);
      await pod(kube, 'heir-of-meanwhile', '10.1.0.4');
      await kube.delete(`${PODS}/first`);
      await kube.compactEtcd();
      // Its watch cache begins anew with it.
      await kube.stopApiServer();
      await kube.startApiServer();
      mend();
      await until(t, 'heir', () => nameOf('10.1.0.4') === 'heir-of-meanwhile');
      await until(t, '410', () => told.includes('Pod expired'));
      t.ok(told.includes('Pod listed by stream: expired'));
      await until(t, 'first is deleted', () => inventory.revisionOf('10.1.0.1') > 0);
      await pod(kube, 'heir-of-first', '10.1.0.1');
      await until(t, 'heir of first', () => nameOf('10.1.0.1') === 'heir-of-first');
    },
  );

  await t.test('the rules of the chart allow what is needed, and no more', async (t) => {
    const as = `--as=system:serviceaccount:${ACCOUNT.namespace}:${ACCOUNT.name}`;
    const can = async (verb: string, resource: string) =>
      (await kube.kubectl(['auth', 'can-i', verb, resource, as, '--all-namespaces'])).output.trim();
    for (const resource of ['pods', 'services', 'nodes', 'endpointslices.discovery.k8s.io']) {
      for (const verb of ['list', 'watch'])
        t.equal(await can(verb, resource), 'yes', `${verb} ${resource}`);
      for (const verb of ['get', 'create', 'delete', 'patch']) {
        t.equal(await can(verb, resource), 'no', `${verb} ${resource}`);
      }
    }
    t.equal(await can('create', 'tokenreviews.authentication.k8s.io'), 'yes');
    for (const resource of ['secrets', 'configmaps', 'deployments.apps']) {
      t.equal(await can('list', resource), 'no', `list ${resource}`);
    }
  });

  await t.test('forbidden, it tries again until it is allowed', async (t) => {
    await kube.revokeControllerRules();
    const { watch, told } = await watched(t, kube);
    await until(t, 'forbidden', () => told.includes('Pod forbidden'));
    t.equal(watch.state.synced, false);
    await kube.grantControllerRules(ACCOUNT);
    await until(t, 'synced', () => watch.state.synced);
  });

  await t.test('a token is reviewed for its audience, and tells its node', async (t) => {
    const { path } = await kube.kubeconfig(await kube.token(ACCOUNT));
    const client = ClusterClient.load({ kubeconfig: path });
    await using reviewer = new TokenReviewer({ client, audience: 'khan-controller' });
    const spec = {
      nodeName: 'node-a',
      serviceAccountName: ACCOUNT.name,
      containers: [{ name: 'main', image: 'none' }],
    };
    await kube.create('/api/v1/nodes', { metadata: { name: 'node-a' } });
    const { metadata } = await kube.create(PODS, { metadata: { name: 'bound' }, spec });
    const bound = { name: 'bound', uid: metadata.uid };
    t.strictSame(
      await reviewer.review(await kube.token(ACCOUNT, { audience: 'khan-controller', pod: bound })),
      {
        authenticated: true,
        username: 'system:serviceaccount:default:khan-controller',
        node: 'node-a',
      },
    );
    t.match(await reviewer.review(await kube.token(ACCOUNT)), { authenticated: false });
    t.match(await reviewer.review('not a token'), { authenticated: false });
    await kube.stopApiServer();
    await t.rejects(reviewer.review('not a token'));
  });

  await t.test('an API server without watch-lists is read in pages', async (t) => {
    const old = await startKube(t, { 'feature-gates': 'WatchList=false' });
    for (let number = 0; number < 501; number++) {
      await old.create(PODS, {
        metadata: { name: `p${number}` },
        spec: { containers: [{ name: 'main', image: 'none' }] },
      });
    }
    await pod(old, 'last', '10.1.0.1');
    const { told, nameOf } = await watched(t, old);
    await until(t, 'last', () => nameOf('10.1.0.1') === 'last');
    await until(t, 'in pages', () => told.includes('Pod listed by pages: start'));
    await pod(old, 'later', '10.1.0.2');
    await until(t, 'later', () => nameOf('10.1.0.2') === 'later');
  });
});
