import { createServer } from 'node:http';
import type { Attributes } from '@opentelemetry/api';
import t, { type Test } from 'tap';
import { overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { OriginalPage } from '../../src/telemetry/original-page.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';

/** URL of the page. */
async function servePage(t: Test, ...series: readonly SeriesBuilder[]): Promise<string> {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  await producer.publish(publicationOf(30_000, ...series), { entries: 0, limit: undefined });
  const page = new OriginalPage({ producer, log: capturedLog().log });
  const server = createServer((request, response) => void page.handle(request, response));
  const port = await listenOnLoopback(t, server);
  t.teardown(() => server.closeAllConnections());
  return `http://127.0.0.1:${port}/khan`;
}

async function fetchPage(t: Test, ...series: readonly SeriesBuilder[]): Promise<Response> {
  return fetch(await servePage(t, ...series));
}

async function samples(t: Test, ...series: readonly SeriesBuilder[]): Promise<string[]> {
  const page = await (await fetchPage(t, ...series)).text();
  return page.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

const LABELS: Attributes = {
  node: 'node-a',
  src_type: 'pod',
  src_ip: '10.1.0.11',
  src_ns: 'shop',
  src_app: 'web',
  src_name: 'web-1',
  dst_type: 'service',
  dst_ip: '10.96.0.10',
  dst_ns: 'shop',
  dst_app: 'api',
  dst_name: 'api',
  dst_port: 443,
  transport: 'tcp',
  primary: true,
};

t.test('the page is one gauge in the Prometheus text format', async (t) => {
  const response = await fetchPage(
    t,
    new SeriesBuilder({ labels: LABELS, opened: 9, active: { ESTABLISHED: 2, TIME_WAIT: 1 } }),
  );
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const labels =
    'node="node-a",src_type="pod",src_ip="10.1.0.11",src_ns="shop",src_app="web",src_name="web-1",' +
    'dst_type="service",dst_ip="10.96.0.10",dst_ns="shop",dst_app="api",dst_name="api",' +
    'dst_port="443",transport="tcp"';
  t.equal(
    await response.text(),
    `# HELP khan_connection Connections in the table now, by state
# TYPE khan_connection gauge
khan_connection{${labels},state="ESTABLISHED"} 2
khan_connection{${labels},state="TIME_WAIT"} 1
`,
  );
});

t.test('all labels are on every line, empty where there is no value', async (t) => {
  t.strictSame(
    await samples(
      t,
      new SeriesBuilder({ labels: overflowAttributes('node-a', true), active: { ASSURED: 4 } }),
    ),
    [
      'khan_connection{node="node-a",src_type="",src_ip="",src_ns="",src_app="",src_name="",' +
        'dst_type="",dst_ip="",dst_ns="",dst_app="",dst_name="",dst_port="",transport="",' +
        'state="ASSURED"} 4',
    ],
  );
});

t.test('series that differ only in what the page does not show are one line', async (t) => {
  const lines = await samples(
    t,
    new SeriesBuilder({ labels: LABELS, active: { ESTABLISHED: 2 } }),
    new SeriesBuilder({ labels: { ...LABELS, primary: false }, active: { ESTABLISHED: 3 } }),
  );
  t.equal(lines.length, 1);
  t.match(lines[0], /state="ESTABLISHED"} 5$/);
});

t.test('there is no line for a state without connections', async (t) => {
  t.strictSame(await samples(t, new SeriesBuilder({ opened: 3, active: { CLOSE: 0 } })), []);
});

t.test('values are escaped', async (t) => {
  const labels = { ...LABELS, src_app: 'a "b" \\ c\nd' };
  const [line] = await samples(t, new SeriesBuilder({ labels, active: { CLOSE: 1 } }));
  t.match(line, 'src_app="a \\"b\\" \\\\ c\\nd"');
});

t.test('pages that were read are held no longer, however many', async (t) => {
  const url = await servePage(t, new SeriesBuilder({ labels: LABELS, active: { ESTABLISHED: 2 } }));
  for (let pages = 0; pages < 20; pages++) {
    const response = await fetch(url);
    t.equal(response.status, 200);
    await response.text();
  }
});
