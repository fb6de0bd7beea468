/** What each vendor is sent has the shape that it documents, and is the truth. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { inventoryFile } from '../../src/demo/topology.ts';
import { clusterTests } from '../kernel/cluster.ts';
import { PATH_SERVERS } from '../kernel/paths.ts';
import { comparePaths } from './collector-truth.ts';
import { startCollector } from './collector.ts';
import { startIntakes } from './intake.ts';
import { pointsIn, samplesOf } from './otlp-lines.ts';
import { startAgents } from './pushing-agents.ts';
import { requireCollector } from './require-servers.ts';

interface Vendor {
  /** Of the variable that says where to, and what follows the vendor's own URL in it. */
  readonly endpoint: readonly [variable: string, path: string];
  readonly env: Readonly<Record<string, string>>;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of counters. */
  readonly kind: 'cumulative' | 'delta';
}

const VENDORS: Readonly<Record<string, Vendor>> = {
  datadog: {
    endpoint: ['DD_OTLP_METRICS_ENDPOINT', '/v1/metrics'],
    env: { DD_API_KEY: 'key of Datadog' },
    path: '/v1/metrics',
    headers: {
      'dd-api-key': 'key of Datadog',
      'dd-otel-metric-config':
        '{"resource_attributes_as_tags": true, "histograms": {"mode": "distributions"}}',
    },
    kind: 'delta',
  },
  'new-relic': {
    endpoint: ['NEW_RELIC_OTLP_ENDPOINT', ''],
    env: { NEW_RELIC_LICENSE_KEY: 'key of New Relic' },
    path: '/v1/metrics',
    headers: { 'api-key': 'key of New Relic' },
    kind: 'delta',
  },
  dynatrace: {
    endpoint: ['DT_ENDPOINT', '/api/v2/otlp'],
    env: { DT_API_TOKEN: 'dt0c01.token' },
    path: '/api/v2/otlp/v1/metrics',
    headers: { authorization: 'Api-Token dt0c01.token' },
    kind: 'delta',
  },
  'grafana-cloud': {
    endpoint: ['GRAFANA_CLOUD_OTLP_ENDPOINT', '/otlp'],
    env: { GRAFANA_CLOUD_INSTANCE_ID: '123456', GRAFANA_CLOUD_API_KEY: 'glc_key' },
    path: '/otlp/v1/metrics',
    headers: { authorization: `Basic ${Buffer.from('123456:glc_key').toString('base64')}` },
    kind: 'cumulative',
  },
  honeycomb: {
    endpoint: ['HONEYCOMB_OTLP_ENDPOINT', ''],
    env: { HONEYCOMB_API_KEY: 'key of Honeycomb', HONEYCOMB_METRICS_DATASET: 'khan' },
    path: '/v1/metrics',
    headers: { 'x-honeycomb-team': 'key of Honeycomb', 'x-honeycomb-dataset': 'khan' },
    kind: 'cumulative',
  },
};

await requireCollector(t, async (program) => {
  const inventory = join(t.testdir({ 'inventory.json': inventoryFile() }), 'inventory.json');
  const test = await clusterTests(t, PATH_SERVERS, async () => () => [
    '--inventory-file',
    inventory,
  ]);
  t.setTimeout(300_000);

  test('one Collector sends all vendors what they take', async (t, cluster) => {
    const folder = t.testdir({});
    const fileOf = (vendor: string) => join(folder, `${vendor}.jsonl`);
    const readers: Record<string, string> = {};
    for (const vendor of Object.keys(VENDORS)) {
      const { endpoint } = await startCollector(t, program, {
        files: ['gateway.yaml', 'to-file.yaml'],
        env: { OUTPUT_FILE: fileOf(vendor), K8S_CLUSTER_NAME: 'unknown' },
      });
      readers[vendor] = endpoint;
    }
    const intakes = await startIntakes(t, readers);
    writeFileSync(join(folder, 'ca.crt'), intakes.cert);
    const told = Object.entries(VENDORS).map(
      ([
        vendor,
        {
          endpoint: [variable, path],
          env,
        },
      ]) => {
        return { [variable]: `${intakes.url}/${vendor}${path}`, ...env };
      },
    );
    const { endpoint } = await startCollector(t, program, {
      files: ['gateway.yaml', ...Object.keys(VENDORS).map((vendor) => `to-${vendor}.yaml`)],
      env: Object.assign({ SSL_CERT_FILE: join(folder, 'ca.crt') }, ...told),
    });
    await startAgents(
      t,
      { lab: cluster.lab, inventoryFile: inventory },
      { env: { OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } },
    );
    const outputs = Object.keys(VENDORS).map((vendor) => ({
      samples: () => samplesOf(pointsIn(fileOf(vendor))),
    }));
    await comparePaths(t, cluster, outputs);

    for (const [vendor, { path, headers, kind }] of Object.entries(VENDORS)) {
      t.test(vendor, async (t) => {
        const asked = intakes.asked(vendor);
        t.strictSame([...new Set(asked.map((each) => each.path))], [path]);
        t.match(asked.at(-1)?.headers, {
          ...headers,
          'content-type': 'application/x-protobuf',
          'content-encoding': 'gzip',
        });
        const points = pointsIn(fileOf(vendor));
        const kindsOf = (name: string) => [
          ...new Set(points.flatMap((point) => (point.metric === name ? [point.kind] : []))),
        ];
        t.strictSame(kindsOf('khan_connection'), [kind]);
        t.strictSame(kindsOf('khan_agent_cycles'), [kind]);
        t.strictSame(kindsOf('khan_connection_active'), ['cumulative'], 'never an increment');
        t.match(points.at(-1)?.resource, { 'k8s.cluster.name': 'blue' });
      });
    }
    const tags = pointsIn(fileOf('datadog')).map(({ resource }) =>
      Object.keys(resource).toSorted(),
    );
    t.strictSame(tags.at(-1), [
      'deployment.environment.name',
      'k8s.cluster.name',
      'k8s.node.name',
      'service.name',
    ]);
  });
});
