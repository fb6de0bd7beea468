import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../demo/until.ts';
import { KhanProcess, startAgent } from '../fakes/khan-process.ts';
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
const target = 'dst_port="8080",transport="tcp",primary="true"';
const named =
  'node="node-a",src_type="pod",src_ip="10.1.0.11",src_name="web-0",' +
  `dst_type="pod",dst_ip="10.1.0.12",dst_name="api-0",${target}`;
/** As long as nobody says who owns these addresses, which are the node's own. */
const unnamed =
  'node="node-a",src_type="node",src_ip="10.1.0.11",src_name="node-a",' +
  `dst_type="node",dst_ip="10.1.0.12",dst_name="node-a",${target}`;

/** A controller that can be started again where it was. */
function controllerOf(t: Test) {
  const inventory = join(t.testdir({ 'inventory.yaml': INVENTORY }), 'inventory.yaml');
  const argv = ['controller', '--source', 'file', '--inventory-file', inventory];
  argv.push('--tls', 'off', '--auth', 'none', '--poll-interval', '200ms');
  argv.push('--metrics-listen', '127.0.0.1:0');
  return async (listen = '127.0.0.1:0') => {
    const controller = new KhanProcess(t, [...argv, '--listen', listen]);
    const { url } = await controller.logged('Controller started');
    return { controller, url: String(url) };
  };
}

async function pageOf(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`);
  return response.text();
}

/** Waits until the page has exactly these lines of these metrics. */
async function untilPage(url: string, lines: Readonly<Record<string, readonly string[]>>) {
  return until(async () => {
    const page = await pageOf(url);
    return Object.entries(lines).every(
      ([metric, expected]) => linesOf(page, metric).join('\n') === expected.join('\n'),
    );
  });
}

const active = (labels: string, value: number) =>
  `khan_connection_active{${labels},state="ESTABLISHED"} ${value}`;
const total = (labels: string, value: number) => `khan_connection_total{${labels}} ${value}`;

t.test('a controller names what an agent sees, and may be away', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, [webToApi.source, webToApi.destination]);
  await namespace.open({ ...webToApi, count: 2 });
  const startController = controllerOf(t);
  const first = await startController();
  const { agent, url } = await startAgent(
    t,
    ['--netns', namespace.path].concat(['--controller-url', first.url]),
  );

  t.ok(
    await untilPage(url, {
      khan_connection_active: [active(named, 2)],
      khan_connection_total: [total(named, 0)],
      khan_controller_up: ['khan_controller_up 1'],
      khan_unresolved_addresses: ['khan_unresolved_addresses 0'],
    }),
    'the first series that is published has names',
  );

  first.controller.kill('SIGKILL');
  await first.controller.ended;
  t.ok(await untilPage(url, { khan_controller_up: ['khan_controller_up 0'] }));
  await namespace.open({ ...webToApi, count: 3 });
  t.ok(
    await untilPage(url, {
      khan_connection_active: [active(named, 5)],
      khan_connection_total: [total(named, 3)],
    }),
    'names stay, and the agent goes on counting',
  );

  await startController(new URL(first.url).host);
  t.ok(await untilPage(url, { khan_controller_up: ['khan_controller_up 1'] }));
  t.strictSame(linesOf(await pageOf(url), 'khan_connection_total'), [total(named, 3)]);
  agent.kill('SIGTERM');
  t.match(await agent.ended, { code: 0, signal: null });
});

t.test('an agent that comes before its controller', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, [webToApi.source, webToApi.destination]);
  await namespace.open({ ...webToApi, count: 2 });
  const startController = controllerOf(t);
  const gone = await startController();
  gone.controller.kill('SIGTERM');
  t.match(await gone.controller.ended, { code: 0, signal: null, stdout: '' });
  const { url } = await startAgent(
    t,
    ['--netns', namespace.path].concat(['--controller-url', gone.url]),
  );
  await namespace.open({ ...webToApi, count: 1 });

  t.test('publishes what it counts, without names', async (t) => {
    t.ok(
      await until(async () => {
        const page = await pageOf(url);
        return linesOf(page, 'khan_connection_active').join('\n') === active(unnamed, 3);
      }),
    );
    t.strictSame(linesOf(await pageOf(url), 'khan_controller_up'), ['khan_controller_up 0']);
  });

  t.test('moves what is active at once when the names come', async (t) => {
    const counted = linesOf(await pageOf(url), 'khan_connection_total')[0];
    t.match(counted, unnamed);
    await startController(new URL(gone.url).host);
    t.ok(
      await untilPage(url, {
        khan_connection_active: [active(unnamed, 0), active(named, 3)],
        khan_controller_up: ['khan_controller_up 1'],
      }),
    );
    await namespace.open({ ...webToApi, count: 4 });
    t.ok(await untilPage(url, { khan_connection_active: [active(unnamed, 0), active(named, 7)] }));
    const isCounted = async () => {
      const [old, fresh] = linesOf(await pageOf(url), 'khan_connection_total');
      return fresh === total(named, 4) && old?.startsWith(`khan_connection_total{${unnamed}}`);
    };
    t.ok(await until(async () => (await isCounted()) === true), 'the new counter began at 0');
  });
});
