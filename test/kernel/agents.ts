import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import { createAgent } from '../../src/agent/agent.ts';
import type { AgentSettings } from '../../src/agent/config.ts';
import { type Sample, parsePage } from '../../src/telemetry/samples.ts';
import type { Traffic } from '../../src/demo/traffic.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { type Row, changes, clusterSum, inOrder, rowsOf } from './rows.ts';

/** For the last packets of a handshake, timeouts of some seconds, and servers that start anew. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;

type Agent = Awaited<ReturnType<typeof createAgent>>;

/** One agent for each node, in this process, without their clock and server. */
export class Agents implements AsyncDisposable {
  readonly #agents: readonly Agent[];
  readonly #traffic: Traffic;
  readonly #stack: AsyncDisposableStack;
  #rows: readonly Row[] = [];

  private constructor(agents: readonly Agent[], traffic: Traffic, stack: AsyncDisposableStack) {
    this.#agents = agents;
    this.#traffic = traffic;
    this.#stack = stack;
  }

  /** Resolves when all have their baseline. */
  static async start({
    settings,
    traffic,
  }: {
    readonly settings: readonly AgentSettings[];
    readonly traffic: Traffic;
  }): Promise<Agents> {
    await using stack = new AsyncDisposableStack();
    const log = createLog({ name: 'kernel test', level: 'error' });
    const agents: Agent[] = [];
    for (const each of settings) {
      const agent = await createAgent({ settings: each, version: '0', log }, readOtelSettings({}));
      agents.push(stack.use(agent));
    }
    const started = new Agents(agents, traffic, stack.move());
    await started.begin();
    return started;
  }

  /** What follows is compared with this moment. */
  async begin(): Promise<void> {
    await this.tick();
    this.#rows = await this.rows();
  }

  /** One snapshot of each node. */
  async tick(): Promise<void> {
    const { signal } = new AbortController();
    await Promise.all(this.#agents.map(async ({ cycle }) => cycle.tick(signal)));
  }

  /** What the pages of all agents show. */
  async samples(): Promise<readonly Sample[]> {
    const pages = await Promise.all(this.#agents.map(async ({ page }) => page.render()));
    return pages.flatMap(parsePage);
  }

  async rows(): Promise<readonly Row[]> {
    return rowsOf(await this.samples());
  }

  /**
   * Takes snapshots until `expected` is all that has changed, and one more, with which it must stay
   * so. The cluster's sum must be what the generator opened, or `opened`.
   */
  async show(
    t: Test,
    expected: readonly Row[],
    { opened = openedBy(this.#traffic) }: { readonly opened?: number } = {},
  ): Promise<void> {
    const inExpectedOrder = inOrder(expected);
    await this.until(async () => isDeepStrictEqual(await this.#changes(), inExpectedOrder));
    await this.tick();
    const changed = await this.#changes();
    t.strictSame(changed, inExpectedOrder);
    t.equal(clusterSum(changed).opened, opened, 'the cluster counts each connection once');
  }

  /** Takes snapshots until the condition holds; false when it did not in time. */
  async until(condition: () => Promise<boolean>): Promise<boolean> {
    const endMs = performance.now() + PATIENCE_MS;
    while (performance.now() < endMs) {
      await this.tick();
      if (await condition()) return true;
      await delay(PAUSE_MS);
    }
    return false;
  }

  async #changes(): Promise<readonly Row[]> {
    return changes(await this.rows(), this.#rows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function openedBy(traffic: Traffic): number {
  return traffic.truth().reduce((sum, { opened }) => sum + opened, 0);
}
