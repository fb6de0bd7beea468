/** scrape-kubernetes.yaml finds the agents of a real API server, and nobody else. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { inventoryFile } from '../../src/demo/topology.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { clusterTests } from '../kernel/cluster.ts';
import { PATH_SERVERS } from '../kernel/paths.ts';
import { comparePaths } from './collector-truth.ts';
import { startCollector } from './collector.ts';
import { Kube } from './kube.ts';
import { pointsIn, samplesOf } from './otlp-lines.ts';
import { startAgents } from './pushing-agents.ts';
import { requireCollector, requireServers } from './require-servers.ts';

const NAMESPACE = '/api/v1/namespaces/khan';
const ACCOUNT = { namespace: 'khan', name: 'otel-collector' };
/** As the one ServiceAccount of docs/pipelines.md may. */
const RULES = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }];
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/khan';

async function allow(kube: Kube): Promise<void> {
  const { name } = ACCOUNT;
  await kube.create(`${RBAC}/roles`, { metadata: { name }, rules: RULES });
  await kube.create(`${RBAC}/rolebindings`, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', ...ACCOUNT }],
  });
}

/** A pod on loopback; its ports are those of programs that listen there. */
async function createPod(
  kube: Kube,
  {
    name,
    component,
    ports,
  }: {
    readonly name: string;
    readonly component: string;
    readonly ports: Readonly<Record<string, number>>;
  },
): Promise<void> {
  const containerPorts = Object.entries(ports).map(([port, number]) => {
    return { name: port, containerPort: number };
  });
  await kube.create(`${NAMESPACE}/pods`, {
    metadata: { name, labels: { 'app.kubernetes.io/component': component } },
    spec: {
      nodeName: `node-of-${name}`,
      containers: [{ name: 'khan', image: 'none', ports: containerPorts }],
    },
    status: { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] },
  });
}

await requireServers(t, async () => {
  await requireCollector(t, async (program) => {
    const folder = t.testdir({ 'inventory.json': inventoryFile() });
    const inventory = join(folder, 'inventory.json');
    const test = await clusterTests(t, PATH_SERVERS, async () => () => [
      '--inventory-file',
      inventory,
    ]);
    t.setTimeout(300_000);

    test('agents are found by label and port, and are what is pushed', async (t, cluster) => {
      const kube = await Kube.start();
      t.teardown(() => kube[Symbol.asyncDispose]());
      await kube.create('/api/v1/namespaces', { metadata: { name: 'khan' } });
      await kube.createServiceAccount(ACCOUNT);
      await allow(kube);

      const urls = await startAgents(t, { lab: cluster.lab, inventoryFile: inventory });
      const [first = 0, second = 0] = urls.map((url) => Number(new URL(url).port));
      await createPod(kube, { name: 'a', component: 'agent', ports: { metrics: first, other: 9 } });
      await createPod(kube, { name: 'b', component: 'agent', ports: { metrics: second } });
      // Scraped as well, it would be an agent that counts everything again.
      await createPod(kube, { name: 'c', component: 'controller', ports: { metrics: first } });

      const path = join(folder, 'kubeconfig.json');
      await writeFile(
        path,
        kubeconfig({
          server: kube.url,
          caFile: kube.caFile,
          user: { token: await kube.token(ACCOUNT) },
        }),
      );
      const file = join(t.testdir({}), 'points.jsonl');
      await startCollector(t, program, {
        files: ['gateway.yaml', 'scrape-kubernetes.yaml', 'to-file.yaml'],
        env: { KUBECONFIG: path, SCRAPE_INTERVAL: '1s', OUTPUT_FILE: file },
      });
      await comparePaths(t, cluster, [{ samples: () => samplesOf(pointsIn(file)) }]);
      const podOf = Object.fromEntries(
        pointsIn(file).map(({ resource }) => [resource['k8s.pod.name'], resource['k8s.node.name']]),
      );
      t.strictSame(podOf, { a: 'node-a', b: 'node-b' });
    });
  });
});
