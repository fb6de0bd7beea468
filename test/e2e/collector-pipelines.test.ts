/** What comes out of the pipelines of otel/collector is what the traffic generator did. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { inventoryFile } from '../../src/demo/topology.ts';
import { type Cluster, clusterTests } from '../kernel/cluster.ts';
import { PATH_SERVERS } from '../kernel/paths.ts';
import type { Labels } from '../kernel/rows.ts';
import { comparePaths, type Shape } from './collector-truth.ts';
import { startCollector } from './collector.ts';
import { type Point, pointsIn } from './otlp-lines.ts';
import { startAgents } from './pushing-agents.ts';
import { requireCollector } from './require-servers.ts';

/** Ways in which agents push; the truth is the same for all. */
const PUSHES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'cumulative, as JSON': {},
};

const ADDRESSES_AND_PODS = /^(?:src|dst)_(?:ip|name)$/;

/** Without addresses and pods' names. */
const reduced: Shape = (labels) =>
  Object.fromEntries(
    Object.entries(labels).filter(([key]) => {
      const type = labels[key.replace('_name', '_type')];
      return !ADDRESSES_AND_PODS.test(key) || (key.endsWith('_name') && type !== 'pod');
    }),
  );

const primaryOnly: Shape = (labels: Labels) => (labels['primary'] === 'true' ? labels : undefined);

function counters(points: readonly Point[]): readonly Point[] {
  return points.filter(({ metric }) => /^khan_connection(?:_closed)?$/.test(metric));
}

await requireCollector(t, async (program) => {
  const inventory = join(t.testdir({ 'inventory.json': inventoryFile() }), 'inventory.json');
  const test = await clusterTests(t, PATH_SERVERS, async () => () => [
    '--inventory-file',
    inventory,
  ]);
  t.setTimeout(300_000);

  /** A Collector whose last file writes what arrives. */
  const sink = async (t: Test, files: readonly string[] = [], env = {}) => {
    const file = join(t.testdir({}), 'points.jsonl');
    const { endpoint } = await startCollector(t, program, {
      files: ['gateway.yaml', ...files, 'to-file.yaml'],
      env: { OUTPUT_FILE: file, ...env },
    });
    return { file, endpoint };
  };
  const push = async (t: Test, { lab }: Cluster, endpoint: string, env = {}) =>
    startAgents(
      t,
      { lab, inventoryFile: inventory },
      { env: { ...env, OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } },
    );

  for (const [way, env] of Object.entries(PUSHES)) {
    test(`a sidecar hands on, and a gateway writes, the truth (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t);
      const sidecar = await startCollector(t, program, {
        files: ['sidecar.yaml', 'to-otlp.yaml'],
        env: { OTLP_ENDPOINT: endpoint, K8S_CLUSTER_NAME: 'green' },
      });
      await push(t, cluster, sidecar.endpoint, env);
      await comparePaths(t, cluster, [{ file }]);
      // The first that knows says it.
      t.match(pointsIn(file).at(-1)?.resource, {
        'service.name': 'khan-agent',
        'k8s.cluster.name': 'green',
        'deployment.environment.name': 'test',
      });
    });

    test(`increments sum up to the truth (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t);
      const converting = await startCollector(t, program, {
        files: ['gateway.yaml', 'to-otlp-delta.yaml'],
        env: { OTLP_ENDPOINT: endpoint },
      });
      await push(t, cluster, converting.endpoint, env);
      await comparePaths(t, cluster, [{ file }]);
      const kinds = new Set(counters(pointsIn(file)).map(({ kind }) => kind));
      t.strictSame([...kinds], ['delta']);
      t.ok(
        counters(pointsIn(file)).every(({ value, startNano, timeNano }) => {
          return value > 0 && startNano > 0n && startNano < timeNano;
        }),
      );
    });

    test(`without what another agent counts, every sum is right (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t, ['primary.yaml']);
      await push(t, cluster, endpoint, env);
      await comparePaths(t, cluster, [{ file, shape: primaryOnly }]);
    });

    test(`reduced to workloads, the totals are the truth (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t, ['reduce.yaml'], { REDUCE_INTERVAL: '1s' });
      await push(t, cluster, endpoint, env);
      await comparePaths(t, cluster, [{ file, shape: reduced }]);
      const points = pointsIn(file);
      t.notOk(points.some(({ attributes }) => 'src_ip' in attributes || 'dst_ip' in attributes));
      t.strictSame([...new Set(counters(points).map(({ kind }) => kind))], ['cumulative']);
    });
  }

  test('what is scraped is what is pushed', async (t, cluster) => {
    const urls = await startAgents(t, { lab: cluster.lab, inventoryFile: inventory });
    const targets = JSON.stringify(urls.map((url) => new URL(url).host));
    const { file } = await sink(t, ['scrape-static.yaml'], {
      KHAN_TARGETS: targets,
      SCRAPE_INTERVAL: '1s',
    });
    await comparePaths(t, cluster, [{ file }]);
    const { resource, attributes } = pointsIn(file).at(-1)!;
    t.match(resource, { 'service.name': 'khan-agent', 'k8s.cluster.name': 'blue' });
    t.match(attributes, { dst_port: Number, primary: Boolean });
  });
});
