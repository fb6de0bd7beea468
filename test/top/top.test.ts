/** The real program, against real agents and the real kernel: what it prints is what was done. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import t, { type Test } from 'tap';
import { KhanPrograms } from '../../src/demo/khan-programs.ts';
import { Lab } from '../../src/demo/lab.ts';
import { LEAK, Scenario } from '../../src/demo/scenario.ts';
import { NODES } from '../../src/demo/topology.ts';
import { Traffic } from '../../src/demo/traffic.ts';
import { compare, type Comparison } from '../../src/demo/truth.ts';
import { until } from '../demo/until.ts';
import { khan, KhanProcess, startAgent } from '../fakes/khan-process.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(180_000);

const INVENTORY = `
addresses:
  10.1.0.11: { type: pod, namespace: shop, app: web, name: web-0, node: node-a }
  10.1.0.12: { type: pod, namespace: shop, app: api, name: api-0, node: node-a }
`;
const webToApi = { source: '10.1.0.11', destination: '10.1.0.12' };
const ONCE = ['top', '--once', '--json', '--interval', '500ms'];

/** A namespace with connections from web-0 to api-0: two to port 8080, one to 9090. */
async function shop(t: Test) {
  const namespace = await TrackedNamespace.create(t, Object.values(webToApi));
  await namespace.open({ ...webToApi, port: 8080, count: 2 });
  await namespace.open({ ...webToApi, port: 9090, count: 1 });
  const inventory = join(t.testdir({ 'inventory.yaml': INVENTORY }), 'inventory.yaml');
  return { namespace, argv: ['--netns', namespace.path, '--inventory-file', inventory] };
}

async function topJson(t: Test, ...argv: readonly string[]) {
  const { code, stdout, stderr } = await khan(t, [...ONCE, ...argv]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

t.test('khan top --kernel shows what was opened between its two looks', { skip }, async (t) => {
  const { namespace, argv } = await shop(t);
  const kernel = ['top', '--once', '--json', '--kernel', '--interval', '2s'];
  const top = new KhanProcess(t, [...kernel, '--log-level', 'debug', ...argv]);
  await top.logged('Snapshot published');
  await namespace.open({ ...webToApi, port: 8080, count: 3 });
  const { code, stdout } = await top.ended;
  t.equal(code, 0);
  const { rows, agents } = JSON.parse(stdout);
  const [agent] = agents;
  t.match(agent, {
    agent: 'the kernel',
    entries: 6,
    cycles: 2,
    failedCycles: 0,
    namesStale: false,
  });
  const counted = { established: 5, active: 5, opened: 3, openedPerSecond: 3 / agent.rateSeconds };
  t.match(rows, [
    { name: 'shop/web-0 shop/api-0 8080/tcp', ...counted },
    { name: 'shop/web-0 shop/api-0 9090/tcp', established: 1, active: 1, opened: 0 },
  ]);
  t.equal(rows.length, 2);
});

t.test(
  'khan top shows what a running agent counts, in each order and grouping',
  { skip },
  async (t) => {
    const { namespace, argv } = await shop(t);
    const { agent, url } = await startAgent(t, [...argv, '--log-level', 'debug']);
    await agent.logged('Snapshot published');
    await namespace.open({ ...webToApi, port: 9090, count: 4 });
    const last = { rows: [] as readonly Record<string, unknown>[] };
    const shows = async () => {
      last.rows = (await topJson(t, '--agent', url)).rows;
      return last.rows.some(({ opened }) => opened === 4);
    };
    t.ok(await until(shows));
    t.match(last.rows, [
      { name: 'shop/web-0 shop/api-0 9090/tcp', active: 5, opened: 4, idle: 0 },
      { name: 'shop/web-0 shop/api-0 8080/tcp', active: 2, opened: 0, idle: 0 },
    ]);
    const byName = await topJson(t, '--agent', url, '--sort', 'name', '--limit', '1');
    t.match(byName, { rowsTotal: 2, rows: [{ name: 'shop/web-0 shop/api-0 8080/tcp' }] });
    t.equal(byName.rows.length, 1);
    t.match(await topJson(t, '--agent', url, '--by', 'workload'), {
      rows: [{ name: 'shop/web', labels: { src_ns: 'shop', src_app: 'web' }, active: 7 }],
    });
    t.match(await topJson(t, '--agent', url, '--filter', 'API 8080'), { rowsTotal: 1 });

    const table = await khan(t, ['top', '--once', '--interval', '500ms', '--agent', url]);
    t.match(table.stdout, /^node-a · table 7 of \d+ \(0\.0 %\) · snapshot \d+s old\n/);
    t.match(table.stdout, /^SOURCE +DESTINATION +PORT +▼ACTIVE /m);
    t.match(table.stdout, /^shop\/web-0 {2}shop\/api-0 {3}9090\/tcp +5 +5 +0 /m);
  },
);

/** Connections opened by the generator, by the names of their ends; a row has both families. */
function openedByName({ rows }: Comparison): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { scope, edge, expected } of rows) {
    if (scope !== 'cluster' || expected === 0) continue;
    const named = (end: 'src' | 'dst') => {
      const [type, ns, name, ip] = ['type', 'ns', 'name', 'ip'].map(
        (each) => edge[`${end}_${each}`],
      );
      if (name === undefined) return ip;
      const whole = ns === undefined ? name : `${ns}/${name}`;
      return type === 'network'
        ? `${whole} ${ip}`
        : type === 'gateway'
          ? `${whole} (gateway)`
          : whole;
    };
    const name = `${named('src')} ${named('dst')} ${edge['dst_port']}/${edge['transport']}`;
    sums[name] = (sums[name] ?? 0) + expected;
  }
  return sums;
}

t.test('over all nodes of a cluster each connection is there once', { skip }, async (t) => {
  const { signal } = new AbortController();
  await using lab = await Lab.create({ signal });
  for (const { name } of NODES) {
    await lab.namespace(name).sysctl({ 'net/netfilter/nf_conntrack_acct': '1' });
  }
  await using traffic = new Traffic(lab);
  const scenario = new Scenario(traffic, { withPing: false });
  await scenario.start();
  const options = { lab, pollIntervalMs: 500, logLevel: 'error', signal };
  await using programs = await KhanPrograms.start(options);
  await scenario.round();
  const truth = traffic.truth();
  const expected = openedByName(compare({ truth, samples: [], leak: LEAK }));
  t.ok(Object.keys(expected).length > 15);

  const urls = programs.agents.map(({ url }) => url).join(',');
  let rows: readonly ClusterRow[] = [];
  const openedRows = () => rows.filter(({ opened }) => opened > 0);
  const opened = () => Object.fromEntries(openedRows().map((row) => [row.name, row.opened]));
  const isTruth = async () => {
    rows = (await topJson(t, '--agent', urls)).rows;
    return isDeepStrictEqual(opened(), expected);
  };
  await until(isTruth, { patienceMs: 60_000 });
  t.strictSame(opened(), expected);

  const sumOf = (measure: 'halfClosed' | 'unanswered') =>
    rows.reduce((sum, row) => sum + row[measure], 0);
  const ended = (how: 'half' | 'half by server' | 'unanswered') =>
    truth.reduce((sum, each) => sum + each.ended[how], 0);
  const halfClosed = ended('half') + ended('half by server');
  t.ok(halfClosed > 0 && ended('unanswered') > 0);
  t.equal(sumOf('halfClosed'), halfClosed, 'those that one end has closed');
  t.equal(sumOf('unanswered'), ended('unanswered'), 'those that nobody answers');
  t.ok(
    openedRows().every(({ bytesToServer }) => bytesToServer > 0),
    'the bytes that the kernel accounts',
  );
});

interface ClusterRow {
  readonly name: string;
  readonly opened: number;
  readonly halfClosed: number;
  readonly unanswered: number;
  readonly bytesToServer: number;
}

t.test('a table without a terminal is one clear error', async (t) => {
  t.match(await khan(t, ['top']), {
    code: 2,
    stdout: '',
    stderr: /^Cannot draw a live table: [^\n]+ --once prints one\n$/,
  });
});

t.test('whoever is no agent, or not there, is one clear error', async (t) => {
  const answer = { text: 'up 1\n' };
  const server = createServer((_request, response) => response.end(answer.text));
  const port = await listenOnLoopback(t, server);
  const url = `http://127.0.0.1:${port}/metrics`;
  const ending = async () => khan(t, ['top', '--once', '--agent', `http://127.0.0.1:${port}`]);
  t.match(await ending(), {
    code: 1,
    stdout: '',
    stderr: `Cannot read ${url}: it has no khan_agent_cycles_total: no page of khan's agent\n`,
  });
  server.closeAllConnections();
  await new Promise((resolve) => void server.close(resolve));
  t.match(await ending(), {
    code: 1,
    stdout: '',
    stderr: `Cannot read ${url}: ECONNREFUSED. Is an agent running there?\n`,
  });
});

t.test('who may not read the table is told so by --kernel', async (t) => {
  const through =
    process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-net_admin,-sys_admin'] : [];
  const ending = await khan(t, ['top', '--once', '--kernel'], { through });
  t.match(ending, { code: 77, stdout: '', stderr: /^Cannot read the connection tracking table: / });
});

t.test('--once that is told to end prints nothing', async (t) => {
  const asked = Promise.withResolvers<void>();
  const server = createServer((_request, response) => {
    response.end('khan_agent_cycles_total{result="success"} 1\n');
    asked.resolve();
  });
  const url = `http://127.0.0.1:${await listenOnLoopback(t, server)}`;
  const top = new KhanProcess(t, ['top', '--once', '--interval', '1h', '--agent', url]);
  await asked.promise;
  top.kill('SIGTERM');
  t.match(await top.ended, {
    code: 1,
    stdout: '',
    stderr: 'Cannot look twice: told to end before\n',
  });
});
