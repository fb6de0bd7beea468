/** Clients and names that never come back, each time as many again: what an agent keeps stays bounded. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import type { ResolveRequest, ResolveResponse } from '../../src/inventory/wire.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { parsePage } from '../../src/telemetry/samples.ts';
import { replaceTable } from '../bench/crowd-table.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { changes, clusterSum, rowsOf, type Row } from './rows.ts';
import { skip } from './skip.ts';

t.setTimeout(120_000);

const CROWDS = 4;
const STRANGERS = 5000;
const SERIES_MAX = 1000;
const SERIES_TTL_MS = 1000;
/** Agents and pods of this node: its connections are primary. */
const NODE = 'node-a';

/** An agent of an empty table, and what it has counted in all when it looks at the next one. */
async function startCounting(t: Test, argv: readonly string[]) {
  const namespace = await NetworkNamespace.create('crowds');
  t.teardown(() => namespace[Symbol.asyncDispose]());
  // A tuple that is there again is another connection, though the kernel may give it the same id.
  await namespace.sysctl({ 'net/netfilter/nf_conntrack_timestamp': '1' });
  const settings = readSettings(
    agentSettings,
    ['--netns', namespace.path, '--node-name', NODE, '--exclude', 'none']
      .concat(['--series-max', String(SERIES_MAX)])
      .concat(argv),
    {},
  );
  const log = createLog({ name: 'kernel test', level: 'error' });
  const agent = await createAgent({ settings, version: '0', log }, readOtelSettings({}));
  t.teardown(() => agent[Symbol.asyncDispose]());
  const { signal } = new AbortController();
  const total = { opened: 0, closed: 0 };
  let rows: readonly Row[] = [];
  const look = async () => {
    await agent.cycle.tick(signal);
    const now = rowsOf(parsePage(await agent.page.render()));
    const { opened, closed } = clusterSum(changes(now, rows));
    rows = now;
    total.opened += opened;
    total.closed += closed;
    return { ...total, active: clusterSum(now).active, rows };
  };
  await look();
  const come = (clients: number, firstClient: number) =>
    replaceTable(namespace.path, { clients, firstClient, connections: 1 });
  return { look, come };
}

t.test(
  'of strangers each is counted, and more of them make no more series',
  { skip },
  async (t) => {
    const { look, come } = await startCounting(t, []);
    for (let crowd = 0; crowd < CROWDS; crowd++) {
      await come(STRANGERS, crowd * STRANGERS);
      const { rows, ...sums } = await look();
      const opened = (crowd + 1) * STRANGERS;
      t.strictSame(sums, { opened, closed: crowd * STRANGERS, active: STRANGERS });
      t.equal(rows.length, SERIES_MAX + 1);
    }
  },
);

/** Of a controller that gives all addresses other names each time it is asked. */
async function renamingController(t: Test): Promise<{ readonly url: string; turn: number }> {
  const controller = { url: '', turn: 0 };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const question: ResolveRequest = JSON.parse(gunzipSync(await buffer(request)).toString());
    const addresses = [...(question.have ?? []), ...(question.want ?? [])];
    controller.turn++;
    const entries = addresses.map((address) => {
      const name = `pod-${controller.turn}-of-${address}`;
      return [address, { type: 'pod', name, node: NODE }] as const;
    });
    const answered: ResolveResponse = {
      epoch: 'test',
      rev: controller.turn,
      synced: true,
      stale: false,
      entries: Object.fromEntries(entries),
      gone: [],
      reset: false,
      nextPollMs: 1,
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answered));
  };
  const server = createServer((request, response) => void answer(request, response));
  controller.url = `http://127.0.0.1:${await listenOnLoopback(t, server)}`;
  t.teardown(() => server.closeAllConnections());
  return controller;
}

t.test(
  'names that change at every look leave nothing behind but their time to live',
  { skip },
  async (t) => {
    const controller = await renamingController(t);
    const { look, come } = await startCounting(t, [
      '--controller-url',
      controller.url,
      '--series-ttl',
      `${SERIES_TTL_MS}ms`,
    ]);
    const clients = 300;
    for (let turn = 1; turn <= 8; turn++) {
      await come(clients, 0);
      const { rows, ...sums } = await look();
      const [opened, closed] = [turn * clients, (turn - 1) * clients];
      t.strictSame(sums, { opened, closed, active: clients });
      t.ok(rows.length <= SERIES_MAX + 1);
      const live = rows.filter(({ active }) => Object.keys(active).length > 0);
      t.equal(live.length, clients);
      t.ok(live.every(({ labels }) => labels['src_name']?.startsWith(`pod-${controller.turn}-`)));
    }
    await delay(SERIES_TTL_MS + 100);
    const { rows } = await look();
    t.equal(rows.length, clients);
  },
);
