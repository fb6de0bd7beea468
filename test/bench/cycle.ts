import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { hashBuckets } from '../../src/conntrack/table.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { FilledTable } from './filled-table.ts';
import { longestBlockMs } from './loop-block.ts';
import { temporaryFolder } from './program.ts';
import { medianOf, rounded, tell, type Told } from './spread.ts';

export interface CycleSize {
  readonly entries: number;
  readonly edges: number;
  readonly rounds: number;
  /** Is kept. */
  readonly state: boolean;
  /** Percent of the edges. */
  readonly ipv6: number;
  /** A fifth of the entries, before each round. */
  readonly replace: boolean;
  /** Who else reads the table in each round. */
  readonly beside: readonly Reader[];
}

export const READERS = ['conntrack', 'proc'] as const;
type Reader = (typeof READERS)[number];

/**
 * One line of the result. `ms` is a cycle, `baseline_ms` a bare discard of the same dump in a thread of
 * its own, `conntrack_ms` that of `conntrack -L > /dev/null`, `proc_ms` of /proc/net/nf_conntrack; null
 * where it was not asked for, or is not there. Ratios are a cycle's against these, of each round: a
 * machine whose speed drifts does not distort them.
 */
export interface CycleResult extends Told<
  | 'ms'
  | 'baseline_ms'
  | 'ratio'
  | 'conntrack_ms'
  | 'conntrack_ratio'
  | 'proc_ms'
  | 'proc_ratio'
  | 'cycle_block_ms'
> {
  readonly scenario: string;
  readonly entries: number;
  readonly edges: number;
  readonly ipv6: number;
  readonly replace: boolean;
  /** Of the host's hash table, which a dump walks whole; null where that is hidden. */
  readonly buckets: number | null;
  /** Size of the state that is kept; 0 where none is. */
  readonly state_mb: number;
  readonly user_ms: number;
  readonly sys_ms: number;
  /** After the cycles, before any scrape; of the whole process, run from source. */
  readonly rss_mb: number;
  /** Longest block of the event loop: during the first cycle, a later one (above), and a scrape. */
  readonly first_cycle_block_ms: number;
  readonly scrape_block_ms: number;
}

interface Sample {
  readonly ms: number;
  readonly baselineMs: number;
  readonly conntrackMs: number | undefined;
  readonly procMs: number | undefined;
  readonly user: number;
  readonly system: number;
  readonly blockMs: number;
}

/** An agent runs for days: its steady state is what counts, not the first compilation. */
const WARM_UP_ROUNDS_MAX = 6;
/** What is done for an entry is compiled by then. */
const WARM_UP_ENTRIES = 2_000_000;
const SERIES_MAX_DEFAULT = 20_000;

/** The whole cycle, dump to published series, as the agent runs it, beside the floor. */
export async function benchCycle(size: CycleSize): Promise<CycleResult[]> {
  const { entries, edges, rounds, state, ipv6, replace, beside } = size;
  await using resources = new AsyncDisposableStack();
  await using table = await FilledTable.create({ entries, edges, ipv6Share: ipv6 / 100 });
  const folder = await temporaryFolder(resources);
  await using agent = await createAgent(
    {
      settings: readSettings(
        agentSettings,
        ['--netns', table.namespace.path, '--exclude', 'none']
          .concat(['--series-max', String(Math.max(SERIES_MAX_DEFAULT, edges))])
          .concat(state ? ['--state-dir', folder] : []),
        {},
      ),
      version: '0.0.0',
      log: createLog({ name: 'bench', level: 'warn' }),
    },
    readOtelSettings({}),
  );
  const { signal } = new AbortController();
  const cycle = () => agent.cycle.tick(signal);

  const firstCycleBlockMs = await longestBlockMs(cycle);
  const samples: Sample[] = [];
  const warmUpRounds = Math.min(WARM_UP_ROUNDS_MAX, Math.ceil(WARM_UP_ENTRIES / entries));
  for (let round = -warmUpRounds; round < rounds; round++) {
    if (replace) await table.replaceFifth();
    const baselineMs = await table.discardMs();
    const cpu = process.cpuUsage();
    const began = performance.now();
    const blockMs = await longestBlockMs(cycle);
    const ms = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    if (round < 0) continue;
    const conntrackMs = beside.includes('conntrack') ? await table.conntrackMs() : undefined;
    const procMs = beside.includes('proc') ? await table.procMs() : undefined;
    samples.push({ ms, baselineMs, conntrackMs, procMs, user, system, blockMs });
  }
  const stateBytes = state ? (await stat(join(folder, 'agent.state'))).size : 0;
  const rssBytes = process.memoryUsage.rss();
  const scrapeBlocksMs: number[] = [];
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    scrapeBlocksMs.push(await longestBlockMs(() => agent.page.render()));
  }
  const of = (pick: (sample: Sample) => number | undefined) =>
    samples.map(pick).filter((value) => value !== undefined);
  const besides = (pick: (sample: Sample) => number | undefined) =>
    of((sample) => {
      const ms = pick(sample);
      return ms === undefined ? undefined : sample.ms / ms;
    });
  return [
    {
      scenario: 'cycle',
      entries,
      edges,
      ipv6,
      replace,
      buckets: hashBuckets() ?? null,
      state_mb: rounded(stateBytes / 1e6),
      ...tell({
        ms: of(({ ms }) => ms),
        baseline_ms: of(({ baselineMs }) => baselineMs),
        ratio: besides(({ baselineMs }) => baselineMs),
        conntrack_ms: of(({ conntrackMs }) => conntrackMs),
        conntrack_ratio: besides(({ conntrackMs }) => conntrackMs),
        proc_ms: of(({ procMs }) => procMs),
        proc_ratio: besides(({ procMs }) => procMs),
        cycle_block_ms: of(({ blockMs }) => blockMs),
      }),
      user_ms: medianOf(of(({ user }) => user / 1000)),
      sys_ms: medianOf(of(({ system }) => system / 1000)),
      rss_mb: rounded(rssBytes / 1e6),
      first_cycle_block_ms: rounded(firstCycleBlockMs),
      scrape_block_ms: medianOf(scrapeBlocksMs),
    },
  ];
}
