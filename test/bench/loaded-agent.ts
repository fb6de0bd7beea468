import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import type { CycleCost } from './bounds-load.ts';
import { replaceTable, type Crowd } from './crowd-table.ts';
import { memoryOf, startProgram } from './program.ts';
import type { PushedSums } from './soak-collector.ts';
import { SoakScraper } from './soak-scraper.ts';
import { medianOf, rounded } from './spread.ts';

const LOAD = join(import.meta.dirname, 'bounds-load.ts');

const SCRAPE_MS = 1000;
/** A page holds a new counter at 0 for a poll, and until its scraper has seen that. */
const SETTLE_SCRAPES = 3;
const POLL_MS = 1000;

/** One line of the result. */
export interface BoundsResult {
  readonly scenario: string;
  readonly load:
    | 'strangers'
    | 'names'
    | 'scrapers'
    | 'nobody scrapes'
    | 'a collector of 30 s, given up'
    | 'a collector of 30 s, awaited';
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
  /** Requests to that collector, and the most of them at the same time. */
  readonly requests: number | undefined;
  readonly requests_at_once: number | undefined;
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

interface Outcome {
  readonly made: number;
  readonly pushed?: number;
  /** What the collector says, if there was one. */
  readonly collector?: PushedSums;
}

/** The agent of one load, its table, and what it has said and taken so far. */
export class LoadedAgent {
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
    { made, pushed, collector }: Outcome,
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
      requests: collector?.requests,
      requests_at_once: collector?.waitingMax,
      exact: this.#isExact && [counted, scraped, pushed ?? made].every((sum) => sum === made),
      cycle_ms: medianOf(
        this.#costs.map(({ ms }) => ms),
        1,
      ),
      first_block_cpu_ms: rounded(first!.block_cpu_ms, 1),
      block_cpu_ms: medianOf(
        others.map(({ block_cpu_ms }) => block_cpu_ms),
        1,
      ),
      block_cpu_max_ms: rounded(Math.max(...others.map(({ block_cpu_ms }) => block_cpu_ms)), 1),
      retained_quarter_mb: rounded(quarter!.retained_mb, 1),
      retained_end_mb: rounded(end!.retained_mb, 1),
      rss_quarter_mb: rounded(quarter!.rss_mb, 1),
      rss_end_mb: rounded(end!.rss_mb, 1),
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
