import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KhanProcess, freePort } from './khan-process.ts';
import type { Lab } from './lab.ts';
import { type Sample, parsePage } from '../telemetry/samples.ts';
import { NODES, inventoryFile } from './topology.ts';

const CONTROLLER_PORT = 8080;
const FIRST_AGENT_PORT = 9464;
const CONTROLLER_PAGES_PORT = 9463;
/** Short, so that what leaks is found while somebody looks on. */
const LEAK_WINDOW = '1m';

/** One controller that knows the lab's inventory, and an agent for each of its nodes. */
export class KhanPrograms implements AsyncDisposable {
  readonly controller: KhanProcess;
  readonly agents: readonly KhanProcess[];
  /** Rejects when one of them ends by itself. */
  readonly ended: Promise<never>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    controller: KhanProcess,
    agents: readonly KhanProcess[],
    stack: AsyncDisposableStack,
  ) {
    this.controller = controller;
    this.agents = agents;
    this.ended = Promise.race([controller, ...agents].map(({ ended }) => ended));
    this.ended.catch(() => {});
    this.#stack = stack;
  }

  /** Resolves when all are ready: each agent has its baseline. */
  static async start({
    lab,
    pollIntervalMs,
    logLevel,
    signal,
  }: {
    readonly lab: Lab;
    readonly pollIntervalMs: number;
    readonly logLevel: string;
    readonly signal: AbortSignal;
  }): Promise<KhanPrograms> {
    await using stack = new AsyncDisposableStack();
    const inventory = stack.use(await unnamedFile(inventoryFile()));
    const common = ['--poll-interval', `${pollIntervalMs}ms`, '--log-level', logLevel];
    const started: KhanProcess[] = [];
    stack.defer(async () => {
      await Promise.all(started.map(async (each) => each[Symbol.asyncDispose]()));
    });
    const port = await freePort(CONTROLLER_PORT);
    const source = ['--source', 'file', '--inventory-file', pathOf(inventory)];
    const listen = ['--listen', `127.0.0.1:${port}`, '--tls', 'off', '--auth', 'none'];
    const controller = new KhanProcess({
      name: 'the controller',
      argv: ['controller', ...source, ...listen, ...common],
      pages: { setting: 'metrics-listen', port: await freePort(CONTROLLER_PAGES_PORT) },
    });
    started.push(controller);
    await controller.ready(signal);
    const controllerUrl = `http://127.0.0.1:${port}`;
    const agents: KhanProcess[] = [];
    for (const [index, { name }] of NODES.entries()) {
      const node = ['--node-name', name, '--netns', lab.namespace(name).path];
      // The demo waits for polls, of which one may cost much on a small machine.
      const pace = ['--cpu-share-max', '0', '--leak-window', LEAK_WINDOW];
      const agent = new KhanProcess({
        name: `the agent of ${name}`,
        argv: ['agent', ...node, ...pace, '--controller-url', controllerUrl, ...common],
        pages: { setting: 'listen', port: await freePort(FIRST_AGENT_PORT + index) },
      });
      agents.push(agent);
      started.push(agent);
    }
    await Promise.all(agents.map(async (agent) => agent.ready(signal)));
    return new KhanPrograms(controller, agents, stack.move());
  }

  /** What all agents show now. */
  async samples(): Promise<readonly Sample[]> {
    const pages = await Promise.all(this.agents.map((agent) => agent.page('/metrics')));
    return pages.flatMap(parsePage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A file without a name: gone when this process is. Others reach it through /proc. */
async function unnamedFile(content: string): Promise<FileHandle> {
  const path = join(tmpdir(), `khan-demo-${process.pid}`);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  await file.writeFile(content);
  return file;
}

function pathOf(file: FileHandle): string {
  return `/proc/${process.pid}/fd/${file.fd}`;
}
