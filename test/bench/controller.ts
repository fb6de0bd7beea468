import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool, request } from 'undici';
import { watchEvents } from '../../src/cluster/watch-events.ts';
import { lineOf } from './channel.ts';
import { blockOf, startController, until } from './controller-program.ts';
import { paced, type Paced } from './paced-questions.ts';
import { cpuSecondsOf, memoryOf, startProgram, statusOf } from './program.ts';
import { ask, nodeOf, resolveTimes } from './questions.ts';
import { imageVariables } from './shipped.ts';
import { rounded, tell, type Told } from './spread.ts';

const CONNECTIONS = 32;
const LOAD_MS = 5000;
/** The last of them asks 200 times a second. */
const NODE_STEPS = [1000, 2000, 4000, 6000];
const POLL_SECONDS = 30;
const PACED_MS = 4000;

export interface ControllerSize {
  readonly pods: number;
  readonly rounds: number;
}

/**
 * One line of the result; what has no other word in its name is a median over the rounds.
 * `resolve_cold_ms` and `resolve_warm_ms` are POST /v1/resolve of 1,500 addresses, in the controller:
 * all wanted, and all known.
 */
export interface ControllerResult extends Told<'resolve_cold_ms' | 'resolve_warm_ms'> {
  readonly scenario: string;
  readonly pods: number;
  /** From the start of the program to the answer that it is ready. */
  readonly sync_ms: number;
  /** A client that reads and parses the same pods in the same way, and keeps nothing. */
  readonly baseline_ms: number;
  readonly ratio: number;
  readonly rss_peak_mb: number;
  readonly rss_mb: number;
  readonly sync_block_ms: number;
  /** With 1 % of the pods replaced a minute. */
  readonly churn_block_ms: number;
  /** So many a second of the latter, from as many nodes as ask so often every 30 s. */
  readonly paced: readonly (Paced & { readonly nodes: number; readonly block_ms: number })[];
  /** The same questions to a bare server that always answers the same. */
  readonly paced_baseline: Paced;
  /** Of the latter, from 32 connections at once, and how much of a core the controller used. */
  readonly requests_per_second: number;
  readonly cpu_share: number;
}

/** The first sync alone. */
export type SyncResult = Pick<
  ControllerResult,
  'scenario' | 'pods' | 'sync_ms' | 'baseline_ms' | 'ratio' | 'rss_peak_mb' | 'sync_block_ms'
>;

/** The controller beside a fake API server on plain HTTP, until it is ready. */
export async function benchSync({ pods }: Pick<ControllerSize, 'pods'>): Promise<SyncResult[]> {
  await using resources = new AsyncDisposableStack();
  const { controller, sync } = await synced(pods, resources);
  const { rss_peak_mb } = await memoryOf(controller);
  return [{ scenario: 'sync', pods, ...sync, rss_peak_mb }];
}

/** The same, and then agents without TLS. */
export async function benchController({
  pods,
  rounds,
}: ControllerSize): Promise<ControllerResult[]> {
  await using resources = new AsyncDisposableStack();
  const { controller, url, pages, sync } = await synced(pods, resources);
  const agents = new Pool(url, { connections: CONNECTIONS });
  resources.defer(() => agents.destroy());
  const { known, coldMs, warmMs } = await resolveTimes(agents, { pages, pods, rounds });
  await blockOf(controller);
  await delay(LOAD_MS);
  const { ms: churnBlockMs } = await blockOf(controller);
  const steps: (Paced & { nodes: number; block_ms: number })[] = [];
  for (const nodes of NODE_STEPS) {
    const perSecond = nodes / POLL_SECONDS;
    const asking = (nth: number) => ask(agents, `node-${nth % nodes}`, known);
    const step = await paced(asking, { perSecond, ms: PACED_MS, program: controller });
    steps.push({ nodes, ...step, block_ms: rounded((await blockOf(controller)).ms, 2) });
  }
  const baseline = await bareServer(known, resources);
  const load = await underLoad(controller, agents, known);
  const memory = await memoryOf(controller);
  return [
    {
      scenario: 'controller',
      pods,
      ...sync,
      ...memory,
      churn_block_ms: rounded(churnBlockMs, 2),
      ...tell({ resolve_cold_ms: coldMs, resolve_warm_ms: warmMs }, 2),
      paced: steps,
      paced_baseline: baseline,
      ...load,
    },
  ];
}

async function synced(pods: number, resources: AsyncDisposableStack) {
  const api = startProgram(
    [join(import.meta.dirname, 'kube-api-load.ts'), '--pods', String(pods)],
    resources,
  );
  const server = `http://127.0.0.1:${await lineOf(api)}`;
  const baselineMs = await timed(async () => readPods(server, pods));
  const began = performance.now();
  const { controller, url, pages } = await startController(server, resources, [], {
    env: await imageVariables(),
  });
  await until(async () => (await statusOf(pages)) !== undefined);
  // Loading modules blocks too, but nobody is served yet.
  await blockOf(controller);
  await until(async () => (await statusOf(pages)) === 200);
  const syncMs = performance.now() - began;
  const sync = {
    sync_ms: rounded(syncMs, 2),
    baseline_ms: rounded(baselineMs, 2),
    ratio: rounded(syncMs / baselineMs, 2),
    sync_block_ms: rounded((await blockOf(controller)).ms, 2),
  };
  return { controller, url, pages, sync };
}

/** The first `pods` of the stream, one JSON.parse() each. */
async function readPods(server: string, pods: number): Promise<void> {
  const { body } = await request(`${server}/api/v1/pods?watch=true`);
  let read = 0;
  for await (const _ of watchEvents(body)) if (++read === pods) break;
}

/** The questions of the last step, answered as shortly as those of who knows everything. */
async function bareServer(known: object, resources: AsyncDisposableStack): Promise<Paced> {
  const server = startProgram([join(import.meta.dirname, 'constant-server.ts')], resources);
  const pool = new Pool(`http://127.0.0.1:${await lineOf(server)}`, { connections: CONNECTIONS });
  resources.defer(() => pool.destroy());
  const perSecond = Math.max(...NODE_STEPS) / POLL_SECONDS;
  const asking = () => ask(pool, nodeOf(0), known);
  return paced(asking, { perSecond, ms: PACED_MS, program: server });
}

async function underLoad(controller: ChildProcess, agents: Pool, known: object) {
  const beganMs = performance.now();
  const beganCpu = await cpuSecondsOf(controller);
  let requests = 0;
  const one = async (connection: number): Promise<void> => {
    // Each request is of another node: none of them asks too often.
    for (let turn = 0; performance.now() - beganMs < LOAD_MS; turn++) {
      await ask(agents, `node-${(turn * CONNECTIONS + connection) % 5000}`, known);
      requests++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, connection) => one(connection)));
  const seconds = (performance.now() - beganMs) / 1000;
  return {
    requests_per_second: rounded(requests / seconds, 2),
    cpu_share: rounded(((await cpuSecondsOf(controller)) - beganCpu) / seconds, 2),
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
