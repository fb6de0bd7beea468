import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import {
  ADDRESSES_MAX,
  type ResolveRequest,
  type ResolveResponse,
} from '../../src/inventory/wire.ts';
import type { CycleCost } from './bounds-load.ts';
import { replaceTable, type Crowd } from './crowd-table.ts';
import { memoryOf, startProgram } from './program.ts';
import { SoakCollector } from './soak-collector.ts';
import { SoakScraper } from './soak-scraper.ts';

const LOAD = join(import.meta.dirname, 'bounds-load.ts');

/** 1,000,000 client addresses, one connection each. */
const STRANGER_BATCHES = 20;
const STRANGERS = 50_000;
const NAMING_CYCLES = 40;
const SCRAPERS = 5;
const SCRAPE_MS = 1000;
const SCRAPED_CYCLES = 16;
const SCRAPED_CYCLE_MS = 2000;
/** All connections are replaced after so many. */
const SCRAPED_CYCLES_FILLED = 4;
const PUSH_MS = 1000;
/** So that pushes have their turn between two cycles, as they do when cycles have half a minute. */
const PAUSE_MS = 2000;
const SETTLE_PUSHES = 30;
/** A page holds a new counter at 0 for a poll, and until its scraper has seen that. */
const SETTLE_SCRAPES = 3;
const POLL_MS = 1000;

interface Size {
  readonly entries: number;
  readonly edges: number;
}

/** One line of the result. */
interface BoundsResult {
  readonly scenario: string;
  readonly load: 'strangers' | 'names' | 'scrapers' | 'nobody scrapes';
  readonly cycles: number;
  readonly series_max: number;
  /** Connections that there were. */
  readonly made: number;
  /** Increase of all counters, of values as they are after each cycle. */
  readonly counted: number;
  /** The same of the page, by a scraper that comes after each cycle. */
  readonly scraped: number;
  /** Sum of the deltas that a collector got; undefined where there was none. */
  readonly pushed: number | undefined;
  /** All of these are what there was, and opened − closed is what is active after each cycle. */
  readonly exact: boolean;
  readonly cycle_ms: number;
  /** Longest block of the event loop, in CPU time of its thread: of the first cycle, and of the others. */
  readonly first_block_cpu_ms: number;
  readonly block_cpu_ms: number;
  readonly block_cpu_max_ms: number;
  /** After a quarter of the cycles, and after all. */
  readonly retained_quarter_mb: number;
  readonly retained_end_mb: number;
  readonly rss_quarter_mb: number;
  readonly rss_end_mb: number;
  readonly scrapes: number;
  readonly scrapes_failed: number;
}

/** Loads that grow without an end, and an agent that must not: run from source, as `cycle` is. */
export async function benchBounds({ entries, edges }: Size): Promise<BoundsResult[]> {
  return [
    await strangers(),
    await names(),
    await scrapers({ entries, edges }, 0),
    await scrapers({ entries, edges }, SCRAPERS),
  ];
}

/** New client addresses in each cycle, in the place of those before; a collector is told all. */
async function strangers(): Promise<BoundsResult> {
  await using resources = new AsyncDisposableStack();
  const collector = resources.use(await SoakCollector.create());
  const made = STRANGER_BATCHES * STRANGERS;
  const load = await LoadedAgent.start(resources, {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_METRIC_EXPORT_INTERVAL: String(PUSH_MS),
    },
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
  return await load.result('strangers', { made, pushed: collector.sums.opened });
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

/** The agent of one load, its table, and what it has said and taken so far. */
class LoadedAgent {
  readonly #netns: string;
  readonly #program: ChildProcess;
  readonly #url: string;
  readonly #counted: SoakScraper;
  readonly #scraped: SoakScraper;
  readonly #costs: CycleCost[] = [];
  readonly #marks: { readonly retained_mb: number; readonly rss_mb: number }[] = [];
  #seriesMax = 0;
  #isExact = true;
  #scrapes = 0;
  #failedScrapes = 0;

  private constructor(netns: string, program: ChildProcess, url: string) {
    this.#netns = netns;
    this.#program = program;
    this.#url = url;
    this.#counted = new SoakScraper(`${url}/counted`);
    this.#scraped = new SoakScraper(`${url}/metrics`);
  }

  /** Resolves when it has its baseline, of an empty table. */
  static async start(
    resources: AsyncDisposableStack,
    { argv = [], env = {} }: { readonly argv?: string[]; readonly env?: Record<string, string> },
  ): Promise<LoadedAgent> {
    const namespace = resources.use(await NetworkNamespace.create('bounds'));
    // A tuple that is there again is another connection, though the kernel may give it the same id.
    await namespace.sysctl({ 'net/netfilter/nf_conntrack_timestamp': '1' });
    const { path } = namespace;
    const settings = ['--netns', path, '--exclude', 'none', '--poll-interval', `${POLL_MS}ms`];
    const node = ['--expose-gc', LOAD, ...settings, ...argv];
    const program = startProgram(node, resources, env);
    const [port] = await once(program, 'message');
    const load = new LoadedAgent(path, program, `http://127.0.0.1:${port}`);
    await load.#tick('go');
    await load.#counted.scrape();
    await load.#scraped.scrape();
    return load;
  }

  async replaceTable(crowd: Crowd): Promise<void> {
    await replaceTable(this.#netns, crowd);
  }

  /** One of so many. */
  async cycle(cycles: number): Promise<void> {
    const nth = this.#costs.length + 1;
    const isMark = nth === Math.round(cycles / 4) || nth === cycles;
    const cost = await this.#tick(isMark ? 'collect' : 'go');
    this.#costs.push(cost);
    if (isMark) {
      const { rss_mb } = await memoryOf(this.#program);
      this.#marks.push({ retained_mb: cost.retained_mb, rss_mb });
    }
    await this.#scraped.scrape();
    const { opened, closed, active, entries, series } = await this.#counted.scrape();
    this.#seriesMax = Math.max(this.#seriesMax, series);
    this.#isExact &&= opened - closed === active && active === entries;
  }

  async scrape(nth: number, signal: AbortSignal): Promise<void> {
    const headers = {
      'user-agent': `scraper-${nth}`,
      'accept-encoding': nth % 2 === 0 ? 'gzip' : 'identity',
    };
    while (!signal.aborted) {
      const next = delay(SCRAPE_MS, undefined, { signal }).catch(() => {});
      const page = await fetch(`${this.#url}/metrics`, { headers }).then((response) =>
        response.ok ? response.text() : '',
      );
      this.#scrapes++;
      if (!page.endsWith('\n')) this.#failedScrapes++;
      await next;
    }
  }

  /** Once the page shows the last values. */
  async result(
    load: BoundsResult['load'],
    { made, pushed }: { readonly made: number; readonly pushed?: number },
  ): Promise<BoundsResult> {
    for (let scrape = 0; scrape < SETTLE_SCRAPES; scrape++) {
      await delay(POLL_MS);
      await this.#scraped.scrape();
    }
    const { opened: counted } = this.#counted.sums;
    const { opened: scraped } = this.#scraped.sums;
    const [first, ...others] = this.#costs;
    const [quarter, end] = this.#marks;
    return {
      scenario: 'bounds',
      load,
      cycles: this.#costs.length,
      series_max: this.#seriesMax,
      made,
      counted,
      scraped,
      pushed,
      exact: this.#isExact && [counted, scraped, pushed ?? made].every((sum) => sum === made),
      cycle_ms: rounded(median(this.#costs.map(({ ms }) => ms))),
      first_block_cpu_ms: rounded(first!.block_cpu_ms),
      block_cpu_ms: rounded(median(others.map(({ block_cpu_ms }) => block_cpu_ms))),
      block_cpu_max_ms: rounded(Math.max(...others.map(({ block_cpu_ms }) => block_cpu_ms))),
      retained_quarter_mb: rounded(quarter!.retained_mb),
      retained_end_mb: rounded(end!.retained_mb),
      rss_quarter_mb: rounded(quarter!.rss_mb),
      rss_end_mb: rounded(end!.rss_mb),
      scrapes: this.#scrapes,
      scrapes_failed: this.#failedScrapes,
    };
  }

  async #tick(wish: 'go' | 'collect'): Promise<CycleCost> {
    this.#program.send(wish);
    const [cost] = await once(this.#program, 'message');
    return cost;
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
