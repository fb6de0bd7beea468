import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentProgram } from './agent-program.ts';
import type { CycleSize } from './cycle.ts';
import { FilledTable } from './filled-table.ts';
import { Sink } from './sink.ts';
import { rounded, tell, type Told } from './spread.ts';

/**
 * One line of the result: `cycle_ms` of each round, and against the quiet agent's of the same round;
 * `scrape_ms` from the request to the last byte, `block_cpu_ms` in processor time, for there are more threads
 * that run than cores.
 */
export interface LoadResult extends Told<
  'cycle_ms' | 'ratio' | 'scrape_ms' | 'block_cpu_ms' | 'cpu_ms'
> {
  readonly scenario: string;
  readonly load: 'quiet' | 'scraped and pushed';
  readonly entries: number;
  readonly edges: number;
  /** `cpu_ms`, the processor time of a cycle and of what is done beside it, at a poll of 30 s. */
  readonly cpu_share_30s: number;
  readonly scrapes: number;
  readonly requests: number;
  readonly rss_mb: number;
  readonly rss_peak_mb: number;
}

interface Sample {
  readonly cycleMs: number;
  readonly blockCpuMs: number;
  readonly cpuMs: number;
}

const POLL_MS = 1000;
const PUSH_MS = 1000;
/** Four scrapers that ask once a second each. */
const SCRAPE_PERIOD_MS = 250;
const CYCLES = 3;
const WARM_UP_CYCLES = 4;
/** Between two requests of a push it is never so long. */
const BETWEEN_PUSHES_MS = 150;
const SECONDS_DEFAULT_POLL = 30;
const REPORT_BLOCK = join(import.meta.dirname, 'report-block.ts');

/**
 * Two agents as programs of their own over the same table, in turn: one that nobody asks, and one that
 * is scraped four times a second and pushes once a second. Before each round a fifth of the entries is
 * replaced.
 */
export async function benchLoad({
  entries,
  edges,
  ipv6,
  rounds,
}: Pick<CycleSize, 'entries' | 'edges' | 'ipv6' | 'rounds'>): Promise<LoadResult[]> {
  await using resources = new AsyncDisposableStack();
  await using sink = await Sink.create();
  await using table = await FilledTable.create({ entries, edges, ipv6Share: ipv6 / 100 });
  const start = async (env: Readonly<Record<string, string>>) => {
    const argv = ['--poll-interval', `${POLL_MS}ms`, '--series-max', String(edges)];
    const netns = table.namespace.path;
    const agent = await AgentProgram.start({
      netns,
      argv,
      env,
      preload: [REPORT_BLOCK],
      resources,
    });
    await agent.published(WARM_UP_CYCLES);
    await sink.idle(BETWEEN_PUSHES_MS);
    agent.pause();
    return agent;
  };
  const quiet = await start({});
  const loaded = await start({
    OTEL_METRICS_EXPORTER: 'otlp,prometheus',
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_METRIC_EXPORT_INTERVAL: String(PUSH_MS),
    OTEL_METRIC_EXPORT_TIMEOUT: String(PUSH_MS),
  });
  sink.reset('well');
  const scrapesMs: number[] = [];
  const samples = { quiet: new Array<Sample>(), loaded: new Array<Sample>() };
  for (let round = 0; round < rounds; round++) {
    await table.replaceFifth();
    samples.quiet.push(await takeSample(quiet));
    await table.replaceFifth();
    samples.loaded.push(await takeSample(loaded, { scrapesMs, sink }));
  }
  const resultOf = async (agent: AgentProgram, own: readonly Sample[]) => {
    const cpuMs = own.map((sample) => sample.cpuMs);
    const cpu = tell({ cpu_ms: cpuMs }, 1);
    return {
      scenario: 'load',
      entries,
      edges,
      ...tell(
        {
          cycle_ms: own.map(({ cycleMs }) => cycleMs),
          scrape_ms: agent === loaded ? scrapesMs : [],
          block_cpu_ms: own.map(({ blockCpuMs }) => blockCpuMs),
        },
        1,
      ),
      ...tell({ ratio: own.map(({ cycleMs }, at) => cycleMs / samples.quiet[at]!.cycleMs) }),
      ...cpu,
      cpu_share_30s: rounded(cpu.cpu_ms / 1000 / SECONDS_DEFAULT_POLL, 4),
      scrapes: agent === loaded ? scrapesMs.length : 0,
      requests: agent === loaded ? sink.requests : 0,
      ...(await agent.memory()),
    };
  };
  return [
    { load: 'quiet', ...(await resultOf(quiet, samples.quiet)) },
    { load: 'scraped and pushed', ...(await resultOf(loaded, samples.loaded)) },
  ];
}

/** With a load, scrapes meanwhile, and adds what they take to `scrapesMs`. */
async function takeSample(
  agent: AgentProgram,
  load?: { readonly scrapesMs: number[]; readonly sink: Sink },
): Promise<Sample> {
  agent.resume();
  // What it missed while it was paused.
  await agent.published(1);
  const before = await agent.read();
  await agent.block();
  const beganCpu = await agent.cpuSeconds();
  const stopping = new AbortController();
  const scraping = load && scrapeOften(agent, load.scrapesMs, stopping.signal);
  await agent.published(CYCLES);
  const cpuMs = (1000 * ((await agent.cpuSeconds()) - beganCpu)) / CYCLES;
  const { cpuMs: blockCpuMs } = await agent.block();
  stopping.abort();
  // A scrape or a push that is held up by the pause would last as long.
  await scraping;
  await load?.sink.idle(BETWEEN_PUSHES_MS);
  const after = await agent.read();
  agent.pause();
  const cycles = after.cycles - before.cycles;
  return {
    cycleMs: (1000 * (after.cycleSeconds - before.cycleSeconds)) / cycles,
    blockCpuMs,
    cpuMs,
  };
}

async function scrapeOften(
  agent: AgentProgram,
  takenMs: number[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    takenMs.push((await agent.scrape()).ms);
    await delay(SCRAPE_PERIOD_MS);
  }
}
