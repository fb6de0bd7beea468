import { join } from 'node:path';
import { Pool } from 'undici';
import { AgentProgram } from './agent-program.ts';
import { lineOf } from './channel.ts';
import { startController, until } from './controller-program.ts';
import type { CycleSize } from './cycle.ts';
import { FilledTable } from './filled-table.ts';
import { POINTS_PER_SERIES } from './many-series.ts';
import { memoryOf, startProgram, statusOf } from './program.ts';
import { resolveTimes } from './questions.ts';
import type { Revision } from './revision.ts';
import { imageVariables } from './shipped.ts';
import { medianOf } from './spread.ts';

export interface CompareSize extends CycleSize {
  readonly series: number;
  readonly pods: number;
}

/** What one revision gives in one round. */
export type Sample = Readonly<Record<string, number>>;
export type Side = () => Promise<Sample>;

/** Makes what both revisions share; then each of them is opened. */
export type Compared = (
  size: CompareSize,
  resources: AsyncDisposableStack,
) => Promise<(revision: Revision) => Promise<Side>>;

const POLL_MS = 1000;
const CYCLES = 3;
const SCRAPES = 4;
const QUESTIONS = 31;
/** What is not yet compiled is not what an agent is that runs for days. */
const WARM_UP_CYCLES = 5;
/** Of an edge, so that it has two states: four samples at least, with what is opened and closed. */
const ENTRIES_PER_EDGE = 2;

export const COMPARED: Readonly<Record<string, Compared>> = {
  /** Agents over the same table, of which one is paused while the other is measured. */
  async cycle({ entries, edges, ipv6 }, resources) {
    const table = resources.use(
      await FilledTable.create({ entries, edges, ipv6Share: ipv6 / 100 }),
    );
    return async (revision) => {
      const agent = await pausedAgent(revision, table, { edges, resources });
      return async () => {
        agent.resume();
        await agent.published(1);
        const before = await agent.read();
        const beganCpu = await agent.cpuSeconds();
        await agent.published(CYCLES);
        const cpuSeconds = (await agent.cpuSeconds()) - beganCpu;
        const after = await agent.read();
        agent.pause();
        const cycles = after.cycles - before.cycles;
        const { rss_mb } = await agent.memory();
        return {
          'cycle, ms': (1000 * (after.cycleSeconds - before.cycleSeconds)) / cycles,
          'processor time of a cycle, ms': (1000 * cpuSeconds) / CYCLES,
          'memory, MB': rss_mb,
        };
      };
    };
  },

  /** The same; each scrape is of new values. */
  async page({ series, ipv6 }, resources) {
    const edges = Math.ceil(series / POINTS_PER_SERIES);
    const filling = { entries: edges * ENTRIES_PER_EDGE, edges, ipv6Share: ipv6 / 100 };
    const table = resources.use(await FilledTable.create(filling));
    return async (revision) => {
      const agent = await pausedAgent(revision, table, { edges, resources });
      return async () => {
        agent.resume();
        const takenMs: number[] = [];
        for (let scrape = 0; scrape < SCRAPES; scrape++) {
          await agent.published(1);
          takenMs.push((await agent.scrape()).ms);
        }
        agent.pause();
        const { rss_mb } = await agent.memory();
        return { 'scrape, ms': medianOf(takenMs), 'memory, MB': rss_mb };
      };
    };
  },

  /** A controller at a time, from its start until it is ready, and what it is asked then. */
  async controller({ pods }, resources) {
    const argv = [join(import.meta.dirname, 'kube-api-load.ts'), '--pods', String(pods)];
    const server = `http://127.0.0.1:${await lineOf(startProgram(argv, resources))}`;
    const env = await imageVariables();
    return async ({ repository }) =>
      async () => {
        await using own = new AsyncDisposableStack();
        const began = performance.now();
        const { controller, url, pages } = await startController(server, own, [], {
          repository,
          env,
        });
        await until(async () => (await statusOf(pages)) === 200);
        const ms = performance.now() - began;
        const { rss_peak_mb } = await memoryOf(controller);
        const agents = new Pool(url);
        own.defer(() => agents.destroy());
        const { coldMs, warmMs } = await resolveTimes(agents, { pages, pods, rounds: QUESTIONS });
        return {
          'first sync, ms': ms,
          'memory at most, MB': rss_peak_mb,
          'addresses that are all wanted, ms': medianOf(coldMs),
          'addresses that are all known, ms': medianOf(warmMs),
        };
      };
  },
};

async function pausedAgent(
  { repository }: Revision,
  table: FilledTable,
  { edges, resources }: { readonly edges: number; readonly resources: AsyncDisposableStack },
): Promise<AgentProgram> {
  const argv = ['--poll-interval', `${POLL_MS}ms`, '--series-max', String(edges)];
  const netns = table.namespace.path;
  const agent = await AgentProgram.start({ repository, netns, argv, resources });
  await agent.published(WARM_UP_CYCLES);
  agent.pause();
  return agent;
}
