/** One kind of object of a real API server, while that ends, comes back, and refuses who asks. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { objectMeta } from '../../src/cluster/object-meta.ts';
import { Reflector } from '../../src/cluster/reflector.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { Kube } from './kube.ts';
import { requireServers } from './require-servers.ts';

const ACCOUNT = { namespace: 'default', name: 'khan-controller' };
const PODS = '/api/v1/namespaces/default/pods';
const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;

/** Keeps the keys of all pods. */
function reflectPods(t: Test, kubeconfig: string) {
  const pods = new Map<string, string>();
  const told: string[] = [];
  const reflector = new Reflector<string>({
    client: ClusterClient.load({ kubeconfig }),
    resource: {
      kind: 'Pod',
      path: '/api/v1/pods',
      fieldSelectors: [''],
      labelSelector: '',
      keep: (object) => objectMeta(object).key,
    },
    sink: { put: (uid, key) => pods.set(uid, key), remove: (uid) => pods.delete(uid) },
    observer: {
      event: () => {},
      listed: (_kind, { by, reason }) => told.push(`listed by ${by}: ${reason}`),
      interrupted: (_kind, reason) => told.push(reason),
      rejected: () => told.push('rejected'),
    },
    log: capturedLog().log,
  });
  const closing = new AbortController();
  const running = reflector.run(closing.signal);
  t.teardown(async () => {
    closing.abort();
    await running;
  });
  return { reflector, told, keys: () => [...pods.values()].toSorted() };
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`Waited in vain: ${condition.toString()}`);
    await delay(PAUSE_MS);
  }
}

await requireServers(t, async () => {
  t.setTimeout(300_000);
  const kube = await Kube.start();
  t.teardown(() => kube[Symbol.asyncDispose]());
  await kube.createServiceAccount(ACCOUNT);
  await kube.grantControllerRules(ACCOUNT);
  const createPod = async (name: string): Promise<void> => {
    const spec = { containers: [{ name: 'main', image: 'none' }] };
    await kube.create(PODS, { metadata: { name }, spec });
  };

  await t.test('an API server that ends and comes back is watched again', async (t) => {
    const { path } = await kube.kubeconfig(await kube.token(ACCOUNT));
    await createPod('a');
    await createPod('b');
    const { reflector, keys, told } = reflectPods(t, path);
    await until(() => reflector.status.synced);
    t.strictSame(told, ['listed by stream: start']);
    await kube.stopApiServer();
    await until(() => told.length >= 4);
    t.strictSame(keys(), ['default/a', 'default/b'], 'what is known stays');
    t.type(reflector.status.failingSinceMs, 'number');
    await kube.startApiServer();
    await kube.delete(`${PODS}/a`);
    await createPod('c');
    await until(() => keys().includes('default/c'));
    t.strictSame(keys(), ['default/b', 'default/c']);
    t.equal(reflector.status.failingSinceMs, undefined);
  });

  await t.test('a token that the API server refuses is read from its file again', async (t) => {
    const { path, tokenFile } = await kube.kubeconfig('no token');
    const { reflector, told } = reflectPods(t, path);
    await until(() => told.filter((line) => line === 'unauthorized').length === 2);
    await writeFile(tokenFile, await kube.token(ACCOUNT));
    await until(() => reflector.status.synced);
    t.ok(reflector.status.objects > 0);
  });

  await t.test('a token whose ServiceAccount is gone gives way to that of its heir', async (t) => {
    const { path, tokenFile } = await kube.kubeconfig(await kube.token(ACCOUNT));
    const { reflector, keys, told } = reflectPods(t, path);
    await until(() => reflector.status.synced);
    await kube.delete(`/api/v1/namespaces/default/serviceaccounts/${ACCOUNT.name}`);
    // A watch that is open outlives its token.
    await kube.stopApiServer();
    await kube.startApiServer();
    await until(() => told.includes('unauthorized'));
    await kube.createServiceAccount(ACCOUNT);
    await writeFile(tokenFile, await kube.token(ACCOUNT));
    await createPod('after');
    await until(() => keys().includes('default/after'));
    t.notOk(told.includes('rejected'));
  });
});
