import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { runCommand } from '../../src/demo/command.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { longestBlockMs } from './loop-block.ts';
import { temporaryFolder } from './program.ts';

export interface Size {
  readonly entries: number;
  readonly edges: number;
  readonly rounds: number;
  /** Is kept. */
  readonly state: boolean;
}

/** One line of the result; `ms`, `user_ms` and `sys_ms` are medians over the rounds. */
export interface CycleResult {
  readonly scenario: string;
  readonly entries: number;
  readonly edges: number;
  /** Size of the state that is kept; 0 where none is. */
  readonly state_mb: number;
  readonly ms: number;
  /** A bare discard of the same dump, in a thread of its own. */
  readonly baseline_ms: number;
  /** Median of the rounds' own ratios: a machine whose speed drifts does not distort it. */
  readonly ratio: number;
  readonly user_ms: number;
  readonly sys_ms: number;
  /** After the cycles, before any scrape; of the whole process, run from source. */
  readonly rss_mb: number;
  /** Longest block of the event loop: during the first cycle, a later one, and a scrape. */
  readonly first_cycle_block_ms: number;
  readonly cycle_block_ms: number;
  readonly scrape_block_ms: number;
}

interface Sample {
  readonly ms: number;
  readonly baselineMs: number;
  readonly ratio: number;
  readonly user: number;
  readonly system: number;
  readonly blockMs: number;
}

/** An agent runs for days: its steady state is what counts, not the first compilation. */
const WARM_UP_ROUNDS = 6;

const FILL_TABLE = fileURLToPath(new URL('./fill-table.ts', import.meta.url));

/** The whole cycle, dump to published series, as the agent runs it, beside the floor. */
export async function benchCycle(size: Size): Promise<CycleResult[]> {
  const { entries, edges, rounds, state } = size;
  await using resources = new AsyncDisposableStack();
  await using namespace = await NetworkNamespace.create('bench');
  await runCommand(
    [process.execPath, FILL_TABLE]
      .concat(['--netns', namespace.path])
      .concat(['--entries', String(entries), '--edges', String(edges)]),
  );
  const folder = await temporaryFolder(resources);
  await using discard = new DiscardWorker(namespace.path);
  await using agent = await createAgent(
    {
      settings: readSettings(
        agentSettings,
        ['--netns', namespace.path, '--exclude', 'none'].concat(
          state ? ['--state-dir', folder] : [],
        ),
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
  for (let round = 0; round < WARM_UP_ROUNDS; round++) {
    await discard.take();
    await cycle();
  }

  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    const baselineMs = await discard.take();
    const cpu = process.cpuUsage();
    const began = performance.now();
    const blockMs = await longestBlockMs(cycle);
    const ms = performance.now() - began;
    const { user, system } = process.cpuUsage(cpu);
    samples.push({ ms, baselineMs, ratio: ms / baselineMs, user, system, blockMs });
  }
  const stateBytes = state ? (await stat(join(folder, 'agent.state'))).size : 0;
  const rssBytes = process.memoryUsage.rss();
  const scrapeBlocksMs: number[] = [];
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    scrapeBlocksMs.push(await longestBlockMs(() => agent.page.render()));
  }
  const medianOf = (pick: (sample: Sample) => number) => median(samples.map(pick));
  return [
    {
      scenario: 'cycle',
      entries,
      edges,
      state_mb: rounded(stateBytes / 1e6),
      ms: rounded(medianOf(({ ms }) => ms)),
      baseline_ms: rounded(medianOf(({ baselineMs }) => baselineMs)),
      ratio: rounded(medianOf(({ ratio }) => ratio)),
      user_ms: rounded(medianOf(({ user }) => user / 1000)),
      sys_ms: rounded(medianOf(({ system }) => system / 1000)),
      rss_mb: rounded(rssBytes / 1e6),
      first_cycle_block_ms: rounded(firstCycleBlockMs),
      cycle_block_ms: rounded(medianOf(({ blockMs }) => blockMs)),
      scrape_block_ms: rounded(median(scrapeBlocksMs)),
    },
  ];
}

class DiscardWorker implements AsyncDisposable {
  readonly #worker: Worker;

  constructor(netns: string) {
    this.#worker = new Worker(new URL('./discard-worker.ts', import.meta.url), {
      workerData: netns,
    });
  }

  async take(): Promise<number> {
    this.#worker.postMessage('take');
    const [ms] = await once(this.#worker, 'message');
    return ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
