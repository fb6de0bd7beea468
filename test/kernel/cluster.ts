/**
 * The demo's lab for tests: real traffic between network namespaces, and the real agents of its two
 * nodes, which take a snapshot when a test says so.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { Lab } from '../../src/demo/lab.ts';
import { type Sample, parsePage } from '../../src/demo/page.ts';
import { hasProgram } from '../../src/demo/programs.ts';
import { NODES, inventoryFile } from '../../src/demo/topology.ts';
import { Traffic } from '../../src/demo/traffic.ts';
import { gainNamespaces } from '../../src/demo/user-namespace.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { type Row, clusterSum, inOrder, rowsOf } from './rows.ts';

/** From iproute2, nftables and util-linux. */
const PROGRAMS = ['ip', 'nft', 'nsenter', 'unshare'];
/** The last packets of a handshake, and timeouts of a few seconds. */
const PATIENCE_MS = 20_000;
const SNAPSHOT_PAUSE_MS = 20;

type TestBody = (t: Test, cluster: Cluster) => Promise<void>;

/**
 * `t.test` for the tests of one file, which share a lab; each begins with empty tables. Where the
 * machine cannot build a lab they are skipped, but fail where CI=true.
 */
export async function clusterTests(
  t: Test,
): Promise<(sentence: string, body: TestBody) => Promise<unknown>> {
  const obstacle = await obstacleToLab();
  if (obstacle !== undefined && process.env['CI'] === 'true') throw new Error(obstacle);
  const skip = obstacle ?? false;
  const cluster = skip === false ? await Cluster.create(t) : undefined;
  t.teardown(() => cluster?.[Symbol.asyncDispose]());
  return (sentence, body) =>
    t.test(sentence, { skip }, async (t) => {
      await cluster!.clear();
      await body(t, cluster!);
    });
}

/** Replaces this process by root of a user namespace where that is what it takes. */
async function obstacleToLab(): Promise<string | undefined> {
  const missing: string[] = [];
  for (const program of PROGRAMS) if (!(await hasProgram(program))) missing.push(program);
  if (missing.length > 0)
    return `THE KERNEL WAS NOT ASKED: ${missing.join(', ')} missing (iproute2, nftables, util-linux)`;
  try {
    await gainNamespaces();
    return undefined;
  } catch (error) {
    return `THE KERNEL WAS NOT ASKED: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export class Cluster implements AsyncDisposable {
  readonly lab: Lab;
  readonly traffic: Traffic;
  readonly #inventoryPath: string;

  private constructor(lab: Lab, inventoryPath: string) {
    this.lab = lab;
    this.traffic = new Traffic(lab);
    this.#inventoryPath = inventoryPath;
  }

  static async create(t: Test): Promise<Cluster> {
    const inventoryPath = join(t.testdir({ 'inventory.json': inventoryFile() }), 'inventory.json');
    return new Cluster(await Lab.create({ signal: new AbortController().signal }), inventoryPath);
  }

  /** Nothing is tracked, and nothing was opened. */
  async clear(): Promise<void> {
    await this.#onEveryNode('empty-table.ts');
    this.traffic.forget();
  }

  /** Seconds by name, such as `tcp_timeout_time_wait`, on both nodes; the kernel's own again when the test ends. */
  async timeouts(t: Test, seconds: Readonly<Record<string, number>>): Promise<void> {
    for (const { name } of NODES) {
      const namespace = this.lab.namespace(name);
      for (const [timeout, value] of Object.entries(seconds)) {
        const sysctl = `net/netfilter/nf_conntrack_${timeout}`;
        const before = (await namespace.run(['cat', `/proc/sys/${sysctl}`])).trim();
        await namespace.sysctl({ [sysctl]: String(value) });
        t.teardown(() => namespace.sysctl({ [sysctl]: before }));
      }
    }
  }

  /** The agents of all nodes, with their baseline. */
  async watch(argv: readonly string[] = []): Promise<Agents> {
    await using stack = new AsyncDisposableStack();
    const agents = NODES.map(({ name }) => {
      const where = ['--node-name', name, '--netns', this.lab.namespace(name).path];
      const settings = ['--inventory-file', this.#inventoryPath, ...where, ...argv];
      return stack.use(
        createAgent(
          {
            settings: readSettings(agentSettings, settings, {}),
            version: '0.0.0',
            log: createLog({ name, level: 'error' }),
          },
          readOtelSettings({}),
        ),
      );
    });
    const watching = new Agents({ agents, traffic: this.traffic, stack: stack.move() });
    await watching.tick();
    return watching;
  }

  async #onEveryNode(script: string): Promise<void> {
    const argv = [process.execPath, join(import.meta.dirname, script)];
    await Promise.all(NODES.map(async ({ name }) => this.lab.namespace(name).run(argv)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.traffic[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

export class Agents implements AsyncDisposable {
  readonly #agents: readonly ReturnType<typeof createAgent>[];
  readonly #traffic: Traffic;
  readonly #stack: AsyncDisposableStack;

  constructor({
    agents,
    traffic,
    stack,
  }: {
    readonly agents: readonly ReturnType<typeof createAgent>[];
    readonly traffic: Traffic;
    readonly stack: AsyncDisposableStack;
  }) {
    this.#agents = agents;
    this.#traffic = traffic;
    this.#stack = stack;
  }

  /** One snapshot of each node. */
  async tick(): Promise<void> {
    const { signal } = new AbortController();
    await Promise.all(this.#agents.map(async ({ cycle }) => cycle.tick(signal)));
  }

  /** What stands on the pages of all agents. */
  async samples(): Promise<readonly Sample[]> {
    const pages = await Promise.all(this.#agents.map(async ({ page }) => page.render()));
    return pages.flatMap(parsePage);
  }

  /**
   * Takes snapshots until `expected` is all that the agents show, and one more, which must not
   * change it. Then the sum over the cluster must be what the generator opened, or `opened`.
   */
  async shows(
    t: Test,
    expected: readonly Row[],
    { opened = openedBy(this.#traffic) }: { readonly opened?: number } = {},
  ): Promise<void> {
    await this.until(async () => sameRows(rowsOf(await this.samples()), expected));
    await this.tick();
    const rows = rowsOf(await this.samples());
    t.strictSame(rows, inOrder(expected));
    t.equal(clusterSum(rows).opened, opened, 'each connection is counted once in the cluster');
  }

  /** Takes snapshots until `condition` holds; false when it never did. */
  async until(condition: () => Promise<boolean>): Promise<boolean> {
    const endMs = performance.now() + PATIENCE_MS;
    while (performance.now() < endMs) {
      await this.tick();
      if (await condition()) return true;
      await delay(SNAPSHOT_PAUSE_MS);
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function sameRows(actual: readonly Row[], expected: readonly Row[]): boolean {
  return isDeepStrictEqual(actual, inOrder(expected));
}

function openedBy(traffic: Traffic): number {
  return traffic.truth().reduce((sum, { opened }) => sum + opened, 0);
}
