import { join } from 'node:path';
import type { Test } from 'tap';
import { parsePage, type Sample } from '../../src/telemetry/samples.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { until } from '../demo/until.ts';
import { KhanProcess, startAgent } from '../fakes/khan-process.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';

const CLIENT = '10.1.0.11';
const SERVER = '10.1.0.12';
const INVENTORY = `
addresses:
  ${CLIENT}: { type: pod, namespace: shop, app: web, name: web-0, node: node-a }
  ${SERVER}: { type: pod, namespace: shop, app: api, name: api-0, node: node-a }
`;
/** Nobody listens there: the push fails, which is told as well. */
const env = {
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  OTEL_METRIC_EXPORT_INTERVAL: '200',
};

/** What a real agent and a real controller show, with connections in the table and names for them. */
export async function pagesOf(t: Test): Promise<readonly Sample[]> {
  return samplesOf(await urlsOf(t));
}

/** Of the programs behind {@link pagesOf}, which run until the test ends. */
export async function urlsOf(t: Test): Promise<readonly string[]> {
  const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
  const folder = t.testdir({ 'inventory.yaml': INVENTORY, state: {} });
  const inventory = join(folder, 'inventory.yaml');
  await namespace.sysctl({ 'net/netfilter/nf_conntrack_timestamp': '1' });
  const controller = new KhanProcess(t, ['controller', ...controllerArgv(inventory)]);
  const { url: controllerUrl, metricsUrl } = await controller.logged('Controller started');
  const { url } = await startAgent(
    t,
    [
      '--netns',
      namespace.path,
      '--controller-url',
      String(controllerUrl),
      '--series-max',
      '1',
      '--leak-window',
      '1s',
    ].concat(['--events', 'destroy', '--state-dir', join(folder, 'state')]),
    { env },
  );
  await namespace.open({ source: CLIENT, destination: SERVER, port: 8080, count: 10 });
  const urls = [url, String(metricsUrl)];
  const shows = async (isThat: (sample: Sample) => boolean, metric = 'khan_connection_active') =>
    (await samplesOf(urls)).some((sample) => sample.name === metric && isThat(sample));
  t.ok(await until(async () => shows(({ value }) => value === 10)), 'the pages are there');
  await namespace.open({ source: CLIENT, destination: SERVER, port: 8081, count: 1 });
  t.ok(await until(async () => shows(isOverflow)), 'and what is above the limit');
  await namespace.halfClose(8081);
  const halfClosed = 'khan_connection_half_closed';
  t.ok(await until(async () => shows(isOverflow, halfClosed)), 'and what one end has closed');
  const score = 'khan_connection_leak_score';
  t.ok(await until(async () => shows(({ value }) => value === 0, score)), 'and a leak score');
  await namespace.reset(8081);
  const durations = 'khan_connection_duration_seconds_bucket';
  t.ok(await until(async () => shows(({ value }) => value > 0, durations)), 'and how long it was');
  return urls;
}

function isOverflow({ labels }: Sample): boolean {
  return labels['otel_metric_overflow'] === 'true';
}

async function samplesOf(urls: readonly string[]): Promise<readonly Sample[]> {
  const pages = urls.map(async (url) => (await fetch(`${url}/metrics`)).text());
  return (await Promise.all(pages)).flatMap(parsePage);
}
