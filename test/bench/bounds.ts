import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import {
  ADDRESSES_MAX,
  type ResolveRequest,
  type ResolveResponse,
} from '../../src/inventory/wire.ts';
import { LoadedAgent, type BoundsResult } from './loaded-agent.ts';
import { SoakCollector } from './soak-collector.ts';

/** 1,000,000 client addresses, one connection each. */
const STRANGER_BATCHES = 20;
const STRANGERS = 50_000;
const NAMING_CYCLES = 40;
const SCRAPERS = 5;
const SCRAPED_CYCLES = 16;
const SCRAPED_CYCLE_MS = 2000;
/** All connections are replaced after so many. */
const SCRAPED_CYCLES_FILLED = 4;
const PUSH_MS = 1000;
/** So that pushes have their turn between two cycles, as they do when cycles have half a minute. */
const PAUSE_MS = 2000;
const SETTLE_PUSHES = 30;
/** How long a slow collector takes for a request. */
const ANSWER_MS = 30_000;
/** How long an agent waits for it that does. */
const PATIENCE_MS = ANSWER_MS + 10_000;
const SLOW_CYCLES = 18;
const SLOW_CYCLE_MS = 5000;
/** Few series, so that a push is one request. */
const SLOW_CROWD = { clients: 100, firstClient: 0, connections: 200 };
/** Answers until all has been told: of the push that is under way, and of the one after the last cycle. */
const SETTLE_ANSWERS = 3;

interface Size {
  readonly entries: number;
  readonly edges: number;
}

/** Loads that grow without an end, and an agent that must not: run from source, as `cycle` is. */
export async function benchBounds({ entries, edges }: Size): Promise<BoundsResult[]> {
  return [
    await strangers(),
    await names(),
    await scrapers({ entries, edges }, 0),
    await scrapers({ entries, edges }, SCRAPERS),
    await slowCollector('given up', { OTEL_METRIC_EXPORT_INTERVAL: '12000' }),
    await slowCollector('awaited', {
      OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: String(PATIENCE_MS),
      OTEL_METRIC_EXPORT_TIMEOUT: String(PATIENCE_MS),
      OTEL_METRIC_EXPORT_INTERVAL: String(PATIENCE_MS),
    }),
  ];
}

const DELTAS = {
  OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
  OTEL_METRIC_EXPORT_INTERVAL: String(PUSH_MS),
};

/** New client addresses in each cycle, in the place of those before; a collector is told all. */
async function strangers(): Promise<BoundsResult> {
  await using resources = new AsyncDisposableStack();
  const collector = resources.use(await SoakCollector.create());
  const made = STRANGER_BATCHES * STRANGERS;
  const load = await LoadedAgent.start(resources, {
    env: { ...DELTAS, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  });
  for (let batch = 0; batch < STRANGER_BATCHES; batch++) {
    const firstClient = batch * STRANGERS;
    await load.replaceTable({ clients: STRANGERS, firstClient, connections: 1 });
    await load.cycle(STRANGER_BATCHES);
    await delay(PAUSE_MS);
  }
  for (let waited = 0; waited < SETTLE_PUSHES && collector.sums.opened < made; waited++) {
    await delay(PUSH_MS);
  }
  const told = collector.sums;
  return await load.result('strangers', { made, pushed: told.opened, collector: told });
}

/** A controller that gives every address another name each time it is asked. */
async function names(): Promise<BoundsResult> {
  await using resources = new AsyncDisposableStack();
  const url = await renamingController(resources);
  const load = await LoadedAgent.start(resources, { argv: ['--controller-url', url] });
  for (let cycle = 0; cycle < NAMING_CYCLES; cycle++) {
    await load.replaceTable({ clients: ADDRESSES_MAX, firstClient: 0, connections: 1 });
    await load.cycle(NAMING_CYCLES);
  }
  return await load.result('names', { made: NAMING_CYCLES * ADDRESSES_MAX });
}

/** Scrapers that all want the page each second, half of them compressed. */
async function scrapers({ entries, edges }: Size, count: number): Promise<BoundsResult> {
  await using resources = new AsyncDisposableStack();
  const load = await LoadedAgent.start(resources, { argv: ['--series-max', String(edges)] });
  const connections = Math.max(1, Math.floor(entries / edges));
  const crowd = { clients: edges, firstClient: 0, connections };
  const ending = new AbortController();
  const loops = Array.from({ length: count }, (_, nth) => load.scrape(nth, ending.signal));
  for (let cycle = 0; cycle < SCRAPED_CYCLES; cycle++) {
    if (cycle % SCRAPED_CYCLES_FILLED === 0) await load.replaceTable(crowd);
    const next = delay(SCRAPED_CYCLE_MS);
    await load.cycle(SCRAPED_CYCLES);
    await next;
  }
  ending.abort();
  await Promise.all(loops);
  const made = Math.ceil(SCRAPED_CYCLES / SCRAPED_CYCLES_FILLED) * edges * connections;
  return await load.result(count === 0 ? 'nobody scrapes' : 'scrapers', { made });
}

/** A collector that takes half a minute for each push, which the agent awaits or, by default, gives up. */
async function slowCollector(
  patience: 'given up' | 'awaited',
  env: Readonly<Record<string, string>>,
): Promise<BoundsResult> {
  await using resources = new AsyncDisposableStack();
  const collector = resources.use(await SoakCollector.create({ answerMs: ANSWER_MS }));
  const load = await LoadedAgent.start(resources, {
    env: { ...DELTAS, ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  });
  for (let cycle = 0; cycle < SLOW_CYCLES; cycle++) {
    await load.replaceTable(SLOW_CROWD);
    const next = delay(SLOW_CYCLE_MS);
    await load.cycle(SLOW_CYCLES);
    await next;
  }
  const made = SLOW_CYCLES * SLOW_CROWD.clients * SLOW_CROWD.connections;
  if (patience === 'given up')
    return await load.result('a collector of 30 s, given up', { made, collector: collector.sums });
  for (let answer = 0; answer < SETTLE_ANSWERS && collector.sums.opened < made; answer++)
    await delay(PATIENCE_MS);
  const told = collector.sums;
  return await load.result('a collector of 30 s, awaited', {
    made,
    pushed: told.opened,
    collector: told,
  });
}

/** Resolves to its URL. */
async function renamingController(resources: AsyncDisposableStack): Promise<string> {
  let turn = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const question: ResolveRequest = JSON.parse(gunzipSync(await buffer(request)).toString());
    const { have = [], want = [] } = question;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(renamed([...have, ...want], ++turn)));
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  resources.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port to listen on');
  return `http://127.0.0.1:${address.port}`;
}

function renamed(addresses: readonly string[], turn: number): ResolveResponse {
  const entries = addresses.map((address, nth) => {
    const name = `web-${turn}-${nth}`;
    return [address, { type: 'pod', namespace: 'shop', app: 'web', name, node: 'node-a' }] as const;
  });
  return {
    epoch: 'bench',
    rev: turn,
    synced: true,
    stale: false,
    entries: Object.fromEntries(entries),
    gone: [],
    reset: false,
    // At each cycle.
    nextPollMs: 1,
  };
}
