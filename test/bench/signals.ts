import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { OPTIONAL_SIGNALS } from '../../src/connections/row-measures.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import type { CycleSize } from './cycle.ts';
import { FilledTable } from './filled-table.ts';
import { tell, type Told } from './spread.ts';

/**
 * One line of the result; ratios are medians of the rounds' own, against the agent that tells none.
 * `cpu_ms` is the processor time of both threads.
 */
export interface SignalsResult extends Told<'ms' | 'ratio' | 'cpu_ms' | 'cpu_ratio'> {
  readonly scenario: string;
  readonly entries: number;
  readonly edges: number;
  readonly signals: string;
  /** Samples on its page. */
  readonly samples: number;
}

interface Sample {
  readonly ms: number;
  readonly cpuMs: number;
}

const WARM_UP_ROUNDS = 3;
/** Entries that are written over ctnetlink have neither TCP flags nor counters: nothing shows of the other signals. */
const CHOICES = ['none', 'idle', 'unanswered', 'oldest', OPTIONAL_SIGNALS.join(',')];

/** The cycle with each signal, with all and with none, over the same table, in turn. */
export async function benchSignals({
  entries,
  edges,
  ipv6,
  rounds,
}: Pick<CycleSize, 'entries' | 'edges' | 'ipv6' | 'rounds'>): Promise<SignalsResult[]> {
  await using resources = new AsyncDisposableStack();
  const { namespace } = resources.use(
    await FilledTable.create(
      { entries, edges, ipv6Share: ipv6 / 100 },
      // Else no entry has a start of its own.
      { 'net/netfilter/nf_conntrack_timestamp': '1' },
    ),
  );
  const agents = await Promise.all(
    CHOICES.map(async (signals) => {
      const argv = ['--netns', namespace.path, '--exclude', 'none', '--signals', signals];
      const settings = readSettings(agentSettings, argv, {});
      const log = createLog({ name: 'bench', level: 'warn' });
      const options = { settings, version: '0.0.0', log };
      return resources.use(await createAgent(options, readOtelSettings({})));
    }),
  );
  const { signal } = new AbortController();
  const samples = CHOICES.map(() => new Array<Sample>());
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const [at, { cycle }] of agents.entries()) {
      const cpu = process.cpuUsage();
      const began = performance.now();
      await cycle.tick(signal);
      const { user, system } = process.cpuUsage(cpu);
      const cpuMs = (user + system) / 1000;
      if (round >= 0) samples[at]!.push({ ms: performance.now() - began, cpuMs });
    }
  }
  const [bare = []] = samples;
  return Promise.all(
    agents.map(async ({ page }, at) => {
      const own = samples[at]!;
      return {
        scenario: 'signals',
        entries,
        edges,
        signals: CHOICES[at]!,
        ...tell({
          ms: own.map(({ ms }) => ms),
          ratio: own.map(({ ms }, round) => ms / bare[round]!.ms),
          cpu_ms: own.map(({ cpuMs }) => cpuMs),
          cpu_ratio: own.map(({ cpuMs }, round) => cpuMs / bare[round]!.cpuMs),
        }),
        samples: (await page.render()).match(/^khan_connection_/gm)?.length ?? 0,
      };
    }),
  );
}
