/** What comes out of the pipelines of otel/collector is what the traffic generator did. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hasProgram } from '../../src/demo/programs.ts';
import { inventoryFile } from '../../src/demo/topology.ts';
import { until } from '../demo/until.ts';
import { type Cluster, clusterTests } from '../kernel/cluster.ts';
import { PATH_SERVERS } from '../kernel/paths.ts';
import type { Labels } from '../kernel/rows.ts';
import { comparePaths, type Shape } from './collector-truth.ts';
import { startCollector } from './collector.ts';
import { type Point, pointsIn, samplesOf } from './otlp-lines.ts';
import { startPrometheus } from './prometheus.ts';
import { startAgents } from './pushing-agents.ts';
import { requireCollector } from './require-servers.ts';

/** Ways in which agents push; the truth is the same for all. */
const PUSHES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'cumulative, as JSON': {},
  'delta, as protobuf': {
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  },
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
  const folder = t.testdir({ 'inventory.json': inventoryFile() });
  const inventory = join(folder, 'inventory.json');
  const test = await clusterTests(t, PATH_SERVERS, async () => () => [
    '--inventory-file',
    inventory,
  ]);
  t.setTimeout(300_000);

  /** A Collector whose last file writes what arrives. */
  const sink = async (t: Test, files: readonly string[] = [], env = {}) => {
    const file = join(folder, `${randomUUID()}.jsonl`);
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
      await comparePaths(t, cluster, [{ samples: () => samplesOf(pointsIn(file)) }]);
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
      await comparePaths(t, cluster, [{ samples: () => samplesOf(pointsIn(file)) }]);
      const kinds = new Set(counters(pointsIn(file)).map(({ kind }) => kind));
      t.strictSame([...kinds], ['delta']);
      t.ok(
        counters(pointsIn(file)).every(({ value, startNano, timeNano }) => {
          return value > 0 && startNano > 0n && startNano < timeNano;
        }),
      );
    });

    test(`reduced to workloads, the totals are the truth (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t, ['reduce.yaml'], { REDUCE_INTERVAL: '1s' });
      await push(t, cluster, endpoint, env);
      await comparePaths(t, cluster, [
        { samples: () => samplesOf(pointsIn(file)), shape: reduced },
      ]);
      const points = pointsIn(file);
      t.notOk(points.some(({ attributes }) => 'src_ip' in attributes || 'dst_ip' in attributes));
      t.strictSame([...new Set(counters(points).map(({ kind }) => kind))], ['cumulative']);
    });

    test(`reduced to workloads, increments sum up to the truth (${way})`, async (t, cluster) => {
      const { file, endpoint } = await sink(t);
      const reducing = await startCollector(t, program, {
        files: ['gateway.yaml', 'reduce.yaml', 'to-otlp-delta.yaml'],
        env: { OTLP_ENDPOINT: endpoint, REDUCE_INTERVAL: '1s' },
      });
      await push(t, cluster, reducing.endpoint, env);
      const samples = () => samplesOf(pointsIn(file));
      await comparePaths(t, cluster, [{ samples, shape: reduced }]);
      t.strictSame([...new Set(counters(pointsIn(file)).map(({ kind }) => kind))], ['delta']);
    });
  }

  test('without what another agent counts, every sum is right', async (t, cluster) => {
    const { file, endpoint } = await sink(t, ['primary.yaml']);
    await push(t, cluster, endpoint);
    await comparePaths(t, cluster, [
      { samples: () => samplesOf(pointsIn(file)), shape: primaryOnly },
    ]);
  });

  test('what is scraped is what is pushed, also as increments and reduced', async (t, cluster) => {
    const urls = await startAgents(t, { lab: cluster.lab, inventoryFile: inventory });
    const workloads = await sink(t, ['reduce.yaml'], { REDUCE_INTERVAL: '2s' });
    const { file } = await sink(t, ['scrape-static.yaml', 'to-otlp-delta.yaml'], {
      KHAN_TARGETS: JSON.stringify(urls.map((url) => new URL(url).host)),
      SCRAPE_INTERVAL: '1s',
      OTLP_ENDPOINT: workloads.endpoint,
    });
    // What was there before the first scrape is no increment.
    const nodes = () => new Set(pointsIn(file).map(({ resource }) => resource['k8s.node.name']));
    t.ok(await until(() => nodes().size === urls.length), 'all have been scraped');
    await comparePaths(t, cluster, [
      { samples: () => samplesOf(pointsIn(file)) },
      { samples: () => samplesOf(pointsIn(workloads.file)), shape: reduced },
    ]);
    const { resource, attributes } = counters(pointsIn(file)).at(-1)!;
    t.match(resource, {
      'service.name': 'khan-agent',
      'service.instance.id': /^[0-9a-f-]{36}$/,
      'k8s.node.name': attributes['node'],
      'k8s.cluster.name': 'blue',
    });
    t.strictSame(
      Object.keys(resource).filter((key) => key.includes('_')),
      [],
    );
    t.match(attributes, { dst_port: Number, primary: Boolean });
  });

  test('Prometheus is written the truth, under the names of its own', async (t, cluster) => {
    if (!(await hasProgram('prometheus'))) {
      if (process.env['CI'] === 'true') throw new Error('Cannot ask Prometheus: not installed');
      t.pass('skipped', { skip: 'PROMETHEUS WAS NOT ASKED: install prometheus' });
      return;
    }
    const { url, query } = await startPrometheus(t);
    const { endpoint } = await startCollector(t, program, {
      files: ['gateway.yaml', 'to-prometheus.yaml'],
      env: { PROMETHEUS_REMOTE_WRITE_ENDPOINT: `${url}/api/v1/write` },
    });
    await push(t, cluster, endpoint);
    const all = '{__name__=~"khan_connection_(total|closed_total|active)"}';
    const samples = async () => {
      const labelled = await query(all);
      return labelled.map(({ labels: { job: _job, instance: _instance, ...labels }, ...rest }) => {
        return { ...rest, labels };
      });
    };
    await comparePaths(t, cluster, [{ samples }]);
    t.equal((await query('khan_mapping_age_seconds')).length, 2, 'a unit is part of the name');
    t.match((await query('target_info')).at(0)?.labels, {
      job: 'khan-agent',
      k8s_cluster_name: 'blue',
    });
  });
});
