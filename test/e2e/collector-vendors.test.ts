/** What each vendor is sent has the shape that it documents, and is the truth. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { inventoryFile } from '../../src/demo/topology.ts';
import { until } from '../demo/until.ts';
import { clusterTests } from '../kernel/cluster.ts';
import { PATH_SERVERS } from '../kernel/paths.ts';
import { comparePaths } from './collector-truth.ts';
import { startCollector } from './collector.ts';
import { startIntakes } from './intake.ts';
import { pointsIn, samplesOf } from './otlp-lines.ts';
import { pushTo } from './otlp-request.ts';
import { startAgents } from './pushing-agents.ts';
import { requireCollector } from './require-servers.ts';

interface Vendor {
  /** Of the variable that says where to, and what follows the vendor's own URL in it. */
  readonly endpoint: readonly [variable: string, path: string];
  readonly env: Readonly<Record<string, string>>;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a request, before compression. */
  readonly bytesMax: number;
  /** Of counters. */
  readonly kind: 'cumulative' | 'delta';
}

/** More than 4 MB. */
const POINTS = 15_000;

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
    bytesMax: 5_000_000,
    kind: 'delta',
  },
  'new-relic': {
    endpoint: ['NEW_RELIC_OTLP_ENDPOINT', ''],
    env: { NEW_RELIC_LICENSE_KEY: 'key of New Relic' },
    path: '/v1/metrics',
    headers: { 'api-key': 'key of New Relic' },
    bytesMax: 1_000_000,
    kind: 'delta',
  },
  dynatrace: {
    endpoint: ['DT_ENDPOINT', '/api/v2/otlp'],
    env: { DT_API_TOKEN: 'dt0c01.token' },
    path: '/api/v2/otlp/v1/metrics',
    headers: { authorization: 'Api-Token dt0c01.token' },
    bytesMax: 4_000_000,
    kind: 'delta',
  },
  'grafana-cloud': {
    endpoint: ['GRAFANA_CLOUD_OTLP_ENDPOINT', '/otlp'],
    env: { GRAFANA_CLOUD_INSTANCE_ID: '123456', GRAFANA_CLOUD_API_KEY: 'glc_key' },
    path: '/otlp/v1/metrics',
    headers: { authorization: `Basic ${Buffer.from('123456:glc_key').toString('base64')}` },
    bytesMax: 4_000_000,
    kind: 'cumulative',
  },
  honeycomb: {
    endpoint: ['HONEYCOMB_OTLP_ENDPOINT', ''],
    env: { HONEYCOMB_API_KEY: 'key of Honeycomb', HONEYCOMB_METRICS_DATASET: 'khan' },
    path: '/v1/metrics',
    headers: { 'x-honeycomb-team': 'key of Honeycomb', 'x-honeycomb-dataset': 'khan' },
    bytesMax: 4_000_000,
    kind: 'cumulative',
  },
};

/** One Collector that sends to all vendors; each has a file with what it was sent. */
async function startAll(t: Test, program: string) {
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
  const { url, cert, asked } = await startIntakes(t, readers);
  writeFileSync(join(folder, 'ca.crt'), cert);
  const told = Object.entries(VENDORS).map(
    ([
      vendor,
      {
        endpoint: [variable, path],
        env,
      },
    ]) => {
      return { [variable]: `${url}/${vendor}${path}`, ...env };
    },
  );
  const { endpoint } = await startCollector(t, program, {
    files: ['gateway.yaml', ...Object.keys(VENDORS).map((vendor) => `to-${vendor}.yaml`)],
    env: Object.assign({ SSL_CERT_FILE: join(folder, 'ca.crt') }, ...told),
  });
  const points = (vendor: string) => pointsIn(fileOf(vendor));
  return { endpoint, asked, points };
}

await requireCollector(t, async (program) => {
  const inventory = join(t.testdir({ 'inventory.json': inventoryFile() }), 'inventory.json');
  const test = await clusterTests(t, PATH_SERVERS, async () => () => [
    '--inventory-file',
    inventory,
  ]);
  t.setTimeout(300_000);

  test('one Collector sends all vendors what they take', async (t, cluster) => {
    const { endpoint, asked, points } = await startAll(t, program);
    await startAgents(
      t,
      { lab: cluster.lab, inventoryFile: inventory },
      { env: { OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } },
    );
    const outputs = Object.keys(VENDORS).map((vendor) => ({
      samples: () => samplesOf(points(vendor)),
    }));
    await comparePaths(t, cluster, outputs);

    for (const [vendor, { path, headers, kind }] of Object.entries(VENDORS)) {
      t.test(vendor, async (t) => {
        t.strictSame([...new Set(asked(vendor).map((each) => each.path))], [path]);
        t.match(asked(vendor).at(-1)?.headers, {
          ...headers,
          'content-type': 'application/x-protobuf',
          'content-encoding': 'gzip',
        });
        const kindsOf = (name: string) => [
          ...new Set(points(vendor).flatMap((each) => (each.metric === name ? [each.kind] : []))),
        ];
        t.strictSame(kindsOf('khan_connection'), [kind]);
        t.strictSame(kindsOf('khan_agent_cycles'), [kind]);
        t.strictSame(kindsOf('khan_connection_active'), ['cumulative'], 'never an increment');
        t.match(points(vendor).at(-1)?.resource, { 'k8s.cluster.name': 'blue' });
      });
    }
    t.strictSame(Object.keys(points('datadog').at(-1)?.resource ?? {}), [
      'deployment.environment.name',
      'k8s.cluster.name',
      'k8s.node.name',
      'service.name',
    ]);
  });

  t.test('no request is larger than its vendor takes', async (t) => {
    const { endpoint, asked, points } = await startAll(t, program);
    const startMs = Date.now();
    const values = Array.from({ length: POINTS }, (_, number) => {
      return { address: `pod-${number}`, value: 1, startMs, timeMs: startMs + 1 };
    });
    await pushTo(endpoint, [{ name: 'khan_connection', isMonotonic: true, values }]);
    for (const [vendor, { bytesMax }] of Object.entries(VENDORS)) {
      t.ok(await until(() => points(vendor).length >= POINTS), `${vendor} has got everything`);
      const largest = Math.max(...asked(vendor).map(({ bytes }) => bytes));
      t.ok(largest <= bytesMax, `${vendor} was not sent more than it takes`);
      t.equal(points(vendor).length, POINTS, 'and nothing twice');
    }
  });
});
