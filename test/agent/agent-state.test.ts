import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { until } from '../demo/until.ts';
import { KhanProcess, startAgent } from '../fakes/khan-process.ts';
import { otlpReceiver } from '../fakes/otlp-receiver.ts';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(120_000);

const webToApi = { source: '10.1.0.11', destination: '10.1.0.12', port: 8080 };
const INVENTORY = `
addresses:
  10.1.0.11: { type: pod, name: web-0, node: node-a }
  10.1.0.12: { type: pod, name: api-0, node: node-a }
`;
const named =
  'node="node-a",src_type="pod",src_ip="10.1.0.11",src_name="web-0",' +
  'dst_type="pod",dst_ip="10.1.0.12",dst_name="api-0",' +
  'dst_port="8080",transport="tcp",primary="true"';

async function namespaceOf(t: Test): Promise<TrackedNamespace> {
  return TrackedNamespace.create(t, [webToApi.source, webToApi.destination]);
}

async function pageOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

async function untilReady(url: string): Promise<boolean> {
  return until(async () => (await fetch(`${url}/readyz`)).ok);
}

/** Waits until this is all that the page says of these metrics. */
async function untilPage(url: string, lines: Readonly<Record<string, readonly string[]>>) {
  return until(async () => {
    const page = await pageOf(url);
    return Object.entries(lines).every(([metric, expected]) => {
      return linesOf(page, metric).join('\n') === expected.join('\n');
    });
  });
}

async function end(agent: KhanProcess): Promise<void> {
  agent.kill('SIGTERM');
  t.equal((await agent.ended).code, 0);
}

t.test('counters go on in their series while no controller is there', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const inventory = join(t.testdir({ 'inventory.yaml': INVENTORY }), 'inventory.yaml');
  const controller = new KhanProcess(t, ['controller', ...controllerArgv(inventory)]);
  const { url: controllerUrl } = await controller.logged('Controller started');
  const argv = ['--netns', namespace.path, '--controller-url', String(controllerUrl)].concat([
    '--state-dir',
    join(t.testdirName, 'state'),
  ]);
  const first = await startAgent(t, argv);
  t.ok(await untilReady(first.url), 'a baseline of nothing');
  await namespace.open({ ...webToApi, count: 2 });
  t.ok(
    await untilPage(first.url, { khan_connection_total: [`khan_connection_total{${named}} 2`] }),
  );
  await end(first.agent);
  controller.kill('SIGKILL');
  await controller.ended;

  await namespace.open({ ...webToApi, count: 3 });
  const second = await startAgent(t, argv);
  t.ok(
    await untilPage(second.url, {
      khan_connection_total: [`khan_connection_total{${named}} 5`],
      khan_controller_up: ['khan_controller_up 0'],
    }),
  );
});

/** Sum of what all pushes say of a counter. */
function pushed(receiver: Awaited<ReturnType<typeof otlpReceiver>>, metric: string): number {
  return receiver.pushes
    .flatMap(({ metrics }) => metrics.get(metric)?.sum?.dataPoints ?? [])
    .reduce((sum, { asInt }) => sum + Number(asInt), 0);
}

t.test(
  'deltas go on where the last push has ended, of one and the same instance',
  { skip },
  async (t) => {
    const namespace = await namespaceOf(t);
    const receiver = await otlpReceiver(t);
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_METRIC_EXPORT_INTERVAL: '300',
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
    };
    const argv = ['--netns', namespace.path, '--state-dir', join(t.testdir(), 'state')];
    let opened = 0;
    for (const count of [4, 3, 2]) {
      const { agent, url } = await startAgent(t, argv, { env });
      t.ok(await untilReady(url));
      await namespace.open({ ...webToApi, count });
      opened += count;
      t.ok(
        await until(() => pushed(receiver, 'khan_connection') >= opened),
        `${opened} were pushed`,
      );
      t.equal(pushed(receiver, 'khan_connection'), opened);
      await end(agent);
      t.equal(pushed(receiver, 'khan_connection'), opened, 'and not again at the end');
    }
    const instances = receiver.pushes.map(({ resource }) => resource['service.instance.id']);
    t.equal(new Set(instances).size, 1);
  },
);

t.test('what has ended before a collector came is pushed after a crash', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const receiver = await otlpReceiver(t);
  const argv = ['--netns', namespace.path, '--series-ttl', '1s'].concat([
    '--state-dir',
    join(t.testdir(), 'state'),
  ]);
  const common = { OTEL_METRIC_EXPORT_INTERVAL: '300', OTEL_METRICS_EXPORTER: 'otlp,prometheus' };
  const nowhere = { ...common, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' };
  const { agent, url } = await startAgent(t, argv, { env: nowhere });
  t.ok(await untilReady(url));
  await namespace.open({ ...webToApi, count: 3 });
  const isThere = async () => (await pageOf(url)).includes('dst_port="8080"');
  t.ok(await until(isThere));
  await namespace.reset(webToApi.port);
  t.ok(await until(async () => !(await isThere())), 'its series has ended');
  agent.kill('SIGKILL');
  await agent.ended;

  const env = { ...common, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  const next = await startAgent(t, argv, { env });
  t.ok(await until(() => pushed(receiver, 'khan_connection_closed') > 0));
  t.equal(pushed(receiver, 'khan_connection'), 3);
  t.equal(pushed(receiver, 'khan_connection_closed'), 3);
  await end(next.agent);
  t.equal(pushed(receiver, 'khan_connection'), 3, 'and once only');
});

t.test('without a state each start is another instance', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const receiver = await otlpReceiver(t);
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  for (let start = 0; start < 2; start++) {
    const { agent, url } = await startAgent(t, ['--netns', namespace.path], { env });
    t.ok(await untilReady(url));
    await end(agent);
  }
  const instances = receiver.pushes.map(({ resource }) => resource['service.instance.id']);
  t.equal(new Set(instances).size, 2);
});

t.test('of two agents on one directory one ends and says why', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const argv = ['--netns', namespace.path, '--state-dir', join(t.testdir(), 'state')];
  const agents = await Promise.all([startAgent(t, argv), startAgent(t, argv)]);
  const { code, stderr } = await Promise.race(agents.map(({ agent }) => agent.ended));
  t.equal(code, 1);
  t.match(stderr, /Cannot keep state in .*: another agent writes there too\./);
  const alive = await Promise.all(
    agents.map(async ({ url }) =>
      fetch(`${url}/livez`).then(
        ({ ok }) => ok,
        () => false,
      ),
    ),
  );
  t.equal(alive.filter(Boolean).length, 1);
});

t.test('a directory that goes away is logged once, and the agent goes on', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const folder = join(t.testdir(), 'state');
  const { agent, url } = await startAgent(t, ['--netns', namespace.path, '--state-dir', folder]);
  const saves = async (result: string): Promise<number> => {
    const samples = parsePage(await pageOf(url));
    const isMeant = ({ name, labels }: (typeof samples)[number]) =>
      name === 'khan_agent_state_saves_total' && labels['result'] === result;
    return samples.find(isMeant)?.value ?? Number.NaN;
  };
  t.ok(await until(async () => (await saves('success')) > 0));
  t.equal(await saves('failure'), 0);
  t.match(await pageOf(url), /^khan_agent_state_bytes [1-9]/m);
  // At once: file after file, the agent would write between two of them.
  renameSync(folder, `${folder}.gone`);
  t.ok(await until(async () => (await saves('failure')) > 2));
  t.match(await pageOf(url), /^khan_agent_state_bytes 0$/m);
  mkdirSync(folder);
  await agent.logged('The state is kept again');
  t.ok(existsSync(join(folder, 'agent.state')));
  const complaints = agent.lines.filter(({ level }) => level === 'error');
  t.equal(complaints.length, 1);
  t.match(complaints[0]?.msg, /^Cannot save the state, .*: ENOENT/);
});

t.test('an agent that may not write there does not start', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file', 'state');
  const agent = new KhanProcess(t, ['agent', '--listen', '127.0.0.1:0', '--state-dir', path]);
  t.match(await agent.ended, {
    code: 1,
    stderr: /^Cannot keep state in .*: ENOTDIR.* Is --state-dir right/,
  });
});

t.test('one look keeps nothing', { skip }, async (t) => {
  const namespace = await namespaceOf(t);
  const folder = join(t.testdir(), 'state');
  const argv = ['agent', '--once', '--poll-interval', '200ms', '--netns', namespace.path];
  const agent = new KhanProcess(t, [...argv, '--state-dir', folder]);
  t.equal((await agent.ended).code, 0);
  t.notOk(existsSync(folder));
});
