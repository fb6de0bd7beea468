import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';
import { until } from '../demo/until.ts';
import { khan, KhanProcess, startAgent } from '../fakes/khan-process.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(120_000);

const INVENTORY = `
addresses:
  10.1.0.11: { type: pod, namespace: shop, app: web, name: web-0, node: node-a }
  10.1.0.12: { type: pod, namespace: shop, app: api, name: api-0, node: node-a }
`;
const webToApi = { source: '10.1.0.11', destination: '10.1.0.12' };
const namedByFile = (port: number) =>
  'node="node-a",' +
  'src_type="pod",src_ip="10.1.0.11",src_ns="shop",src_app="web",src_name="web-0",' +
  'dst_type="pod",dst_ip="10.1.0.12",dst_ns="shop",dst_app="api",dst_name="api-0",' +
  `dst_port="${port}",transport="tcp",primary="true"`;
const namedByNobody =
  'node="node-a",' +
  'src_type="node",src_ip="10.1.0.11",src_name="node-a",' +
  'dst_type="node",dst_ip="10.1.0.12",dst_name="node-a",' +
  'dst_port="8080",transport="tcp",primary="true"';

const statusOf = async (url: string) => (await fetch(url)).status;
const textOf = async (url: string) => (await fetch(url)).text();

t.test(
  'khan agent --once prints what was opened between its two snapshots',
  { skip },
  async (t) => {
    const namespace = await TrackedNamespace.create(t, Object.values(webToApi));
    await namespace.open({ ...webToApi, port: 8080, count: 2 });
    await namespace.open({ ...webToApi, port: 9090, count: 1 });
    const inventory = join(t.testdir({ 'inventory.yaml': INVENTORY }), 'inventory.yaml');
    const agent = new KhanProcess(
      t,
      ['agent', '--once', '--poll-interval', '2s', '--log-level', 'debug']
        .concat(['--inventory-file', inventory, '--node-name', 'node-a'])
        .concat(['--netns', namespace.path]),
    );
    await agent.logged('Snapshot published');
    await namespace.open({ ...webToApi, port: 8080, count: 3 });
    await namespace.open({ ...webToApi, port: 7070, count: 4 });

    const { code, stdout, stderr } = await agent.ended;
    t.equal(code, 0);
    t.strictSame(linesOf(stdout, 'khan_connection_total'), [
      `khan_connection_total{${namedByFile(7070)}} 4`,
      `khan_connection_total{${namedByFile(8080)}} 3`,
      `khan_connection_total{${namedByFile(9090)}} 0`,
    ]);
    t.strictSame(linesOf(stdout, 'khan_connection_active'), [
      `khan_connection_active{${namedByFile(7070)},state="ESTABLISHED"} 4`,
      `khan_connection_active{${namedByFile(8080)},state="ESTABLISHED"} 5`,
      `khan_connection_active{${namedByFile(9090)},state="ESTABLISHED"} 1`,
    ]);
    t.doesNotThrow(() => parsePage(stdout), 'nothing but the page is on stdout');
    t.match(stdout, /^# HELP [^]*\n$/);
    for (const line of stderr.trimEnd().split('\n')) t.match(JSON.parse(line), { name: 'khan' });
  },
);

t.test('a page that no pipe can hold is printed to its end', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t);
  const clients = Array.from({ length: 250 }, (_, at) => `127.0.1.${at + 1}`);
  for (const source of clients) {
    await namespace.open({ source, destination: '127.0.0.1', port: 8080, count: 1 });
  }
  const argv = ['agent', '--once', '--poll-interval', '200ms', '--exclude', 'none'];
  // A reader who is late meets a full pipe.
  const through = ['sh', '-c', '"$0" "$@" | { sleep 2; cat; }'];
  const { stdout } = await khan(t, [...argv, '--netns', namespace.path], { through });
  t.ok(stdout.length > 65_536, `${stdout.length} bytes`);
  t.equal(linesOf(stdout, 'khan_connection_active').length, clients.length);
  t.doesNotThrow(() => parsePage(stdout));
});

t.test('a reader that has seen enough does not make --once fail loudly', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t);
  const argv = ['agent', '--once', '--poll-interval', '200ms', '--netns', namespace.path];
  const through = ['sh', '-c', '"$0" "$@" --log-level error | true'];
  t.match(await khan(t, argv, { through }), { stdout: '', stderr: '' });
});

t.test('--once that is told to end prints no half of a page', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t);
  const argv = ['agent', '--once', '--poll-interval', '1h', '--log-level', 'debug'];
  const agent = new KhanProcess(t, [...argv, '--netns', namespace.path]);
  await agent.logged('Snapshot published');
  agent.kill('SIGTERM');
  const { code, stdout, stderr } = await agent.ended;
  t.match({ code, stdout }, { code: 1, stdout: '' });
  t.match(stderr, /^Cannot take the second snapshot: told to end before\n$/m);
});

t.test('by default loopback is left out, and what was left out is counted', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t);
  await namespace.open({ source: '127.0.0.1', destination: '127.0.0.1', port: 80, count: 3 });
  const argv = ['agent', '--once', '--poll-interval', '200ms', '--netns', namespace.path];
  const { stdout } = await khan(t, argv);
  t.strictSame(linesOf(stdout, 'khan_connection_active'), []);
  t.strictSame(linesOf(stdout, 'khan_agent_excluded_entries'), ['khan_agent_excluded_entries 3']);
  t.match(linesOf(stdout, 'khan_conntrack_entries'), [/} 3$/]);
});

t.test('a faulty inventory file ends the agent, with all its faults', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t);
  const text = 'addresses: { 10.1.0.1: { type: pot }, nowhere: { type: pod, name: web } }\n';
  const path = join(t.testdir({ 'inventory.yaml': text }), 'inventory.yaml');
  const argv = ['agent', '--inventory-file', path, '--listen', '127.0.0.1:0'];
  const ending = await khan(t, [...argv, '--netns', namespace.path, '--log-level', 'error']);
  t.match(ending, { code: 2, stdout: '' });
  t.match(ending.stderr, `Cannot use inventory file ${path}:\n`);
  t.match(ending.stderr, /^ {2}addresses\S*10\.1\.0\.1\S*\.type: .*pot/m);
  t.match(ending.stderr, /^ {2}addresses\.nowhere: not an address$/m);
});

t.test('an agent is ready once it has published a snapshot', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, Object.values(webToApi));
  await namespace.open({ ...webToApi, port: 8080, count: 2 });
  // The first snapshot is published when this one has answered.
  const controller = createServer((request) => request.resume());
  const controllerUrl = `http://127.0.0.1:${await listenOnLoopback(t, controller)}`;
  t.teardown(() => controller.closeAllConnections());
  const asked = once(controller, 'request');
  const { url } = await startAgent(
    t,
    ['--netns', namespace.path].concat(['--controller-url', controllerUrl]),
  );
  const [, response] = await asked;
  t.equal(await statusOf(`${url}/readyz`), 503);
  t.equal(await statusOf(`${url}/livez`), 200);
  t.strictSame(linesOf(await textOf(`${url}/metrics`), 'khan_connection_active'), []);
  response.writeHead(503).end();
  t.ok(await until(async () => (await statusOf(`${url}/readyz`)) === 200));
  t.match(linesOf(await textOf(`${url}/metrics`), 'khan_connection_active'), [/ 2$/]);
});

t.test('a running agent', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, Object.values(webToApi));
  await namespace.open({ ...webToApi, port: 8080, count: 2 });
  const { agent, url } = await startAgent(t, ['--netns', namespace.path]);
  await until(async () => (await statusOf(`${url}/readyz`)) === 200);
  const metric = async (name: string) => linesOf(await textOf(`${url}/metrics`), name);

  t.test('names its own addresses as its node when nobody else does', async (t) => {
    t.strictSame(await metric('khan_connection_active'), [
      `khan_connection_active{${namedByNobody},state="ESTABLISHED"} 2`,
    ]);
    t.strictSame(await metric('khan_controller_up'), [], 'there is nobody to ask');
  });

  t.test('does not count what was there before it', async (t) => {
    t.strictSame(await metric('khan_connection_total'), [
      `khan_connection_total{${namedByNobody}} 0`,
    ]);
  });

  t.test('counts what is opened and what goes while it runs', async (t) => {
    await namespace.open({ ...webToApi, port: 8080, count: 3 });
    const counted = `khan_connection_total{${namedByNobody}} 3`;
    t.ok(await until(async () => (await metric('khan_connection_total'))[0] === counted));
    t.match(await metric('khan_connection_active'), [/ 5$/]);
    t.match(await metric('khan_connection_closed_total'), [/ 0$/]);
    await namespace.reset(8080);
    const closed = `khan_connection_closed_total{${namedByNobody}} 3`;
    t.ok(await until(async () => (await metric('khan_connection_closed_total'))[0] === closed));
    const left = await metric('khan_connection_active');
    t.ok(left.length > 0 && left.every((line) => line.endsWith(' 0')), 'baseline included');
    t.strictSame(await metric('khan_connection_total'), [counted]);
  });

  t.test('shows an edge that is new at 0 before it shows its value', async (t) => {
    await namespace.open({ ...webToApi, port: 9090, count: 4 });
    const seen = new Set<string | undefined>();
    const look = async () => {
      const line = (await metric('khan_connection_total')).find((one) => one.includes('"9090"'));
      seen.add(line?.split(' ').at(-1));
      return seen.has('4');
    };
    t.ok(await until(look));
    t.strictSame([...seen].filter(Boolean), ['0', '4']);
  });

  t.test('serves the page of the original with all its labels', async (t) => {
    t.strictSame(linesOf(await textOf(`${url}/khan`), 'khan_connection'), [
      'khan_connection{node="node-a",' +
        'src_type="node",src_ip="10.1.0.11",src_ns="",src_app="",src_name="node-a",' +
        'dst_type="node",dst_ip="10.1.0.12",dst_ns="",dst_app="",dst_name="node-a",' +
        'dst_port="9090",transport="tcp",state="ESTABLISHED"} 4',
    ]);
  });

  t.test('serves nothing else', async (t) => {
    for (const path of ['/', '/metrics/', '/v1/resolve', '/favicon.ico']) {
      t.equal(await statusOf(`${url}${path}`), 404, path);
    }
  });

  t.test('ends in order when it is told to, with nothing on stdout', async (t) => {
    agent.kill('SIGTERM');
    t.match(await agent.ended, { code: 0, signal: null, stdout: '' });
  });
});
