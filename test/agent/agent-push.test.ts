import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { until } from '../demo/until.ts';
import { startAgent } from '../fakes/khan-process.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { otlpReceiver, plain, type OtlpMetric } from '../fakes/otlp-receiver.ts';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(120_000);

const webToApi = { source: '10.1.0.11', destination: '10.1.0.12', port: 8080 };
const labels = {
  node: 'node-a',
  src_type: 'node',
  src_ip: '10.1.0.11',
  src_name: 'node-a',
  dst_type: 'node',
  dst_ip: '10.1.0.12',
  dst_name: 'node-a',
  transport: 'tcp',
  primary: true,
};
/** Longer than any test: what is pushed then is pushed last. */
const NEVER = { OTEL_METRIC_EXPORT_INTERVAL: '600000' };
const OFTEN = { OTEL_METRIC_EXPORT_INTERVAL: '300' };
const SLOW_ANSWER_MS = 1000;

/** An agent beside two connections that were there before it, and has seen them. */
async function startPushing(t: Test, env: Readonly<Record<string, string>>) {
  const namespace = await TrackedNamespace.create(t, [webToApi.source, webToApi.destination]);
  await namespace.open({ ...webToApi, count: 2 });
  const { agent, url } = await startAgent(t, ['--netns', namespace.path], { env });
  const isReady = async () => (await fetch(`${url}/readyz`)).status === 200;
  t.ok(await until(isReady), 'it is ready');
  /** Values of a metric on /metrics. */
  const values = async (metric: string) => {
    const page = await (await fetch(`${url}/metrics`)).text();
    return linesOf(page, metric).map((line) => Number(line.split(' ').at(-1)));
  };
  return { namespace, agent, url, values };
}

function pointsOf(metric: OtlpMetric | undefined) {
  const points = metric?.sum?.dataPoints ?? [];
  return points.map(({ attributes, startTimeUnixNano, timeUnixNano, asInt }) => {
    const { dst_port: port, ...rest } = plain(attributes);
    return {
      port,
      rest,
      value: asInt,
      start: BigInt(startTimeUnixNano),
      end: BigInt(timeUnixNano),
    };
  });
}

t.test('the last push of an agent has the newest numbers', { skip }, async (t) => {
  const receiver = await otlpReceiver(t);
  const { namespace, agent, values } = await startPushing(t, {
    ...NEVER,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.cluster.name=blue',
  });
  await namespace.open({ ...webToApi, count: 3 });
  t.ok(await until(async () => String(await values('khan_connection_total')) === '3'));
  await namespace.open({ ...webToApi, port: 9090, count: 4 });
  t.ok(await until(async () => String(await values('khan_connection_total')) === '3,4'));
  t.strictSame(receiver.pushes, []);
  agent.kill('SIGTERM');
  t.match(await agent.ended, { code: 0, signal: null, stdout: '' });

  const [push, ...others] = receiver.pushes;
  t.strictSame(others, []);
  t.match(push?.resource, {
    'service.name': 'khan-agent',
    'service.version': /^\d+\.\d+\.\d+/,
    'service.instance.id': /^[0-9a-f-]{36}$/,
    'k8s.node.name': 'node-a',
    'host.name': hostname(),
    'k8s.cluster.name': 'blue',
  });
  const opened = push?.metrics.get('khan_connection');
  t.match(opened?.sum, { aggregationTemporality: 2, isMonotonic: true });
  const [baseline, later] = pointsOf(opened).toSorted((a, b) => Number(a.port) - Number(b.port));
  // The port is a number and `primary` a boolean, which a Prometheus page cannot say.
  t.strictSame(
    { ...baseline, start: 0, end: 0 },
    { port: 8080, rest: labels, value: 3, start: 0, end: 0 },
  );
  t.strictSame(
    { ...later, start: 0, end: 0 },
    { port: 9090, rest: labels, value: 4, start: 0, end: 0 },
  );
  t.ok(baseline!.start < later!.start, 'each series has its own beginning');
  t.ok(later!.start < later!.end);
  t.equal(baseline!.end, later!.end, 'both are as of the same snapshot');

  const active = push?.metrics.get('khan_connection_active');
  t.match(active?.sum, { aggregationTemporality: 2, isMonotonic: false });
  t.strictSame(
    pointsOf(active)
      .map(({ port, value, rest }) => ({ port, value, rest }))
      .toSorted((a, b) => Number(a.port) - Number(b.port)),
    [
      { port: 8080, value: 5, rest: { ...labels, state: 'ESTABLISHED' } },
      { port: 9090, value: 4, rest: { ...labels, state: 'ESTABLISHED' } },
    ],
  );
});

t.test('every push is cumulative since the same start', { skip }, async (t) => {
  const receiver = await otlpReceiver(t);
  const { namespace, values } = await startPushing(t, {
    ...OFTEN,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  });
  const points = () =>
    receiver.pushes.flatMap(({ metrics }) => pointsOf(metrics.get('khan_connection')));
  t.ok(await until(() => points().some(({ value }) => value === 0)));
  await namespace.open({ ...webToApi, count: 3 });
  t.ok(await until(() => points().some(({ value }) => value === 3)));
  await namespace.open({ ...webToApi, count: 1 });
  t.ok(await until(() => points().some(({ value }) => value === 4)));
  const pushed = points();
  t.equal(new Set(pushed.map(({ start }) => start)).size, 1);
  t.strictSame(
    pushed,
    pushed.toSorted((a, b) => Number(a.end - b.end)),
    'time goes forward',
  );
  // A snapshot may see some of the three opened, but never fewer than the one before.
  const told = pushed.map(({ value }) => value);
  t.strictSame(
    told,
    told.toSorted((a, b) => Number(a) - Number(b)),
  );
  t.strictSame([told.at(0), told.at(-1)], [0, 4]);
  t.ok(await until(async () => String(await values('khan_connection_total')) === '4'));
});

t.test('deltas over protobuf add up to what the page says', { skip }, async (t) => {
  const receiver = await otlpReceiver(t);
  const { namespace, agent, values } = await startPushing(t, {
    ...OFTEN,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
  });
  const points = () =>
    receiver.pushes.flatMap(({ metrics }) => pointsOf(metrics.get('khan_connection')));
  const sum = () => points().reduce((total, { value }) => total + Number(value), 0);
  t.ok(await until(() => receiver.pushes.length > 0));
  t.strictSame(points(), [], 'the baseline is nothing new');
  await namespace.open({ ...webToApi, count: 3 });
  t.ok(await until(() => sum() === 3));
  await namespace.open({ ...webToApi, count: 1 });
  t.ok(await until(async () => String(await values('khan_connection_total')) === '4'));
  agent.kill('SIGTERM');
  t.match(await agent.ended, { code: 0, signal: null });
  t.equal(sum(), 4);
  const told = points();
  t.ok(told.every(({ start }, at) => at === 0 || start === told[at - 1]!.end));
  const [metric] = receiver.pushes.flatMap(({ metrics }) => metrics.get('khan_connection') ?? []);
  t.match(metric?.sum, { aggregationTemporality: 1, isMonotonic: true });
});

t.test('a collector that is away', { skip }, async (t) => {
  const closed = createServer();
  const closedPort = await listenOnLoopback(t, closed);
  closed.close();
  const silent = createServer((socket) => void socket.on('error', () => {}).resume());
  const collectors = { closed: closedPort, silent: await listenOnLoopback(t, silent) };
  for (const [kind, port] of Object.entries(collectors)) {
    t.test(`disturbs neither cycle nor scrape: ${kind}`, async (t) => {
      const { namespace, agent, url, values } = await startPushing(t, {
        ...OFTEN,
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      });
      const said = /^OpenTelemetry: /;
      t.ok(await until(() => agent.lines.some(({ msg }) => said.test(msg))), 'the log says so');
      await namespace.open({ ...webToApi, count: 3 });
      t.ok(await until(async () => String(await values('khan_connection_total')) === '3'));
      const page = await (await fetch(`${url}/metrics`)).text();
      t.match(linesOf(page, 'khan_agent_cycles_total'), [/result="failure"} 0$/, /success/]);

      // A scrape that never comes to its end must not add to what the collector takes. An agent that
      // has not ended after two seconds ends itself, with another exit code.
      const scraper = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
      scraper.write('GET /metrics HTTP/1.1\r\n');
      await once(scraper, 'connect');
      agent.kill('SIGTERM');
      t.match(await agent.ended, { code: 0, signal: null });
    });
  }
});

t.test(
  'a collector that answers after several intervals is told all, once',
  { skip },
  async (t) => {
    let answered = 0;
    const answer = async (response: ServerResponse) => {
      await delay(SLOW_ANSWER_MS);
      answered++;
      response.end('{}');
    };
    const receiver = await otlpReceiver(t, { answer });
    const { namespace, agent, values } = await startPushing(t, {
      ...OFTEN,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
    });
    t.ok(await until(() => receiver.pushes.length > 0));
    for (let batch = 1; batch <= 3; batch++) {
      await namespace.open({ ...webToApi, port: 8080 + batch, count: 3 });
      const opened = async () => (await values('khan_connection_total')).reduce((a, b) => a + b, 0);
      t.ok(await until(async () => (await opened()) === 3 * batch), 'the page does not wait');
    }
    const points = () =>
      receiver.pushes.flatMap(({ metrics }) => pointsOf(metrics.get('khan_connection')));
    const sum = () => points().reduce((total, { value }) => total + Number(value), 0);
    t.ok(await until(() => sum() === 9));
    t.ok(receiver.pushes.length - answered <= 1, 'one request at a time');
    agent.kill('SIGTERM');
    t.match(await agent.ended, { code: 0, signal: null });
    t.equal(sum(), 9);
  },
);

t.test('OTEL_METRICS_EXPORTER says which pages there are', { skip }, async (t) => {
  const receiver = await otlpReceiver(t);
  const otlp = { ...NEVER, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  const statuses = async (OTEL_METRICS_EXPORTER: string) => {
    const { agent, url } = await startPushing(t, { ...otlp, OTEL_METRICS_EXPORTER });
    const paths = ['/metrics', '/khan', '/livez'];
    const responses = await Promise.all(paths.map((path) => fetch(`${url}${path}`)));
    agent.kill('SIGTERM');
    t.match(await agent.ended, { code: 0 });
    return responses.map(({ status }) => status);
  };
  t.strictSame(await statuses('none'), [404, 404, 200]);
  t.equal(receiver.pushes.length, 0);
  t.strictSame(await statuses('otlp'), [404, 404, 200]);
  t.equal(receiver.pushes.length, 1);
});
