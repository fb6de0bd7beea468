/**
 * Many agents in one process, each with the real client's logic, file of a token and connection, and
 * a table that is made up. Speaks with its parent over IPC: see {@link Command}. Agents poll as
 * `khan agent` does: at once, then after a random part of the interval, then each interval.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ControllerNames } from '../../src/agent/controller-names.ts';
import { ResolveClient } from '../../src/agent/resolve-client.ts';
import { every } from '../../src/runtime/every.ts';
import { createLog } from '../../src/runtime/log.ts';
import { integer, readSettings, text } from '../../src/runtime/settings.ts';
import { LoopBlock } from './loop-block.ts';
import { Cluster, NodeTable } from './node-table.ts';
import { PodTable } from './pod-table.ts';

/** As in src/agent/cycle.ts. */
const RESOLVE_TIMEOUT_MS = 2000;
/** Of the baseline. */
const CLIENTS = 16;

/** Each is answered: with what is named, or with null. */
export type Command =
  | { readonly kind: 'replaced'; readonly count: number }
  | { readonly kind: 'start' | 'stop' | 'begin' }
  /** {@link Report} since the last 'begin'. */
  | { readonly kind: 'report' }
  /** {@link Verdict} */
  | { readonly kind: 'check' }
  /** Asks the server there what all agents would ask in their steady state, for so long. */
  | { readonly kind: 'baseline'; readonly url: string; readonly ms: number };

export interface Report {
  readonly durationsMs: readonly number[];
  readonly unanswered: Readonly<Record<string, number>>;
  /** Of each agent that has had an answer: when it came. */
  readonly firstAnswersMs: readonly number[];
  /** The longest time in which this event loop was blocked: no latency above it says anything. */
  readonly blockMs: number;
}

export interface Verdict {
  readonly addresses: number;
  /** Another owner than the API says, or one that there is not. */
  readonly wrong: number;
  /** No owner, where the API has one. */
  readonly missing: number;
}

const settings = {
  agents: integer({ default: 1, min: 1, max: 100_000, description: 'Agents' }),
  first: integer({ default: 0, min: 0, max: 100_000, description: 'Node of the first' }),
  pods: integer({ default: 30, min: 1, max: 1_000_000, description: 'Pods of the cluster' }),
  'period-ms': integer({ default: 30_000, min: 100, max: 3_600_000, description: 'Of a poll' }),
  url: text({ default: 'http://127.0.0.1:1', description: 'Where they ask' }),
  tokens: text({ default: '.', description: 'Folder for their tokens' }),
} as const;
const {
  agents: count,
  first: firstNode,
  pods,
  'period-ms': periodMs,
  url,
  tokens,
} = readSettings(settings, process.argv.slice(2), {});

const log = createLog({ name: 'fleet', level: 'silent' });
const cluster = new Cluster(new PodTable(pods));
let beganMs = performance.now();
let durationsMs: number[] = [];
let unanswered: Record<string, number> = {};
let firstAnswersMs: (number | undefined)[] = [];
const block = LoopBlock.watch();

class SimulatedAgent {
  readonly node: string;
  readonly #table: NodeTable;
  readonly #names: ControllerNames;
  readonly #stopping = new AbortController();

  constructor(number: number) {
    this.node = `node-${number}`;
    this.#table = new NodeTable(number, cluster);
    this.#names = new ControllerNames({
      url,
      credentials: { token: join(tokens, this.node) },
      nodeName: this.node,
      log,
      observer: {
        answered: (durationMs) => {
          durationsMs.push(durationMs);
          firstAnswersMs[number] ??= performance.now() - beganMs;
        },
        unanswered: (reason) => {
          unanswered[reason] = (unanswered[reason] ?? 0) + 1;
        },
      },
    });
  }

  get addresses(): string[] {
    return this.#table.endpoints(performance.now()).map(({ address }) => address);
  }

  async run(): Promise<void> {
    await every({
      periodMs,
      firstPeriodMs: periodMs * Math.random(),
      signal: this.#stopping.signal,
      tick: async (stopping) => {
        const signal = AbortSignal.any([stopping, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)]);
        await this.#names.resolve(this.addresses, { signal });
      },
      onError: (error) => {
        throw error;
      },
    });
    await this.#names[Symbol.asyncDispose]();
  }

  stop(): void {
    this.#stopping.abort();
  }

  verdict(): Verdict {
    const endpoints = this.#table.endpoints(performance.now());
    let [wrong, missing] = [0, 0];
    for (const { address, owner } of endpoints) {
      const identity = this.#names.identityOf(address);
      if (identity === undefined) missing += Number(owner !== undefined);
      else {
        const { type, name, namespace, node } = identity;
        const found = { type, name, ...(namespace && { namespace }), ...(node && { node }) };
        wrong += Number(!isDeepStrictEqual(found, owner));
      }
    }
    return { addresses: endpoints.length, wrong, missing };
  }
}

const agents = Array.from({ length: count }, (_, at) => new SimulatedAgent(firstNode + at));

function report(): Report {
  const first = firstAnswersMs.filter((ms) => ms !== undefined);
  return { durationsMs, unanswered, firstAnswersMs: first, blockMs: block.take().ms };
}

async function obey(command: Command): Promise<unknown> {
  switch (command.kind) {
    case 'replaced':
      cluster.advance(command.count, performance.now());
      return undefined;
    case 'start':
      for (const agent of agents) void agent.run();
      return undefined;
    case 'stop':
      for (const agent of agents) agent.stop();
      return undefined;
    case 'begin':
      [durationsMs, unanswered, firstAnswersMs] = [[], {}, []];
      beganMs = performance.now();
      block.take();
      return undefined;
    case 'report':
      return report();
    case 'check':
      return agents
        .map((agent) => agent.verdict())
        .reduce((a, b) => ({
          addresses: a.addresses + b.addresses,
          wrong: a.wrong + b.wrong,
          missing: a.missing + b.missing,
        }));
    case 'baseline':
      await askEvenly(command);
      return undefined;
    default:
      throw new Error('Cannot obey: not a command');
  }
}

/** As often as all agents together, each time as another one, over connections that are kept. */
async function askEvenly({ url: baselineUrl, ms }: Command & { kind: 'baseline' }): Promise<void> {
  using clients = new DisposableStack();
  const pool = Array.from({ length: CLIENTS }, (_, client) => {
    const credentials = { token: join(tokens, agents[client % count]!.node) };
    return clients.use(new ResolveClient(baselineUrl, { credentials }));
  });
  const { signal } = new AbortController();
  const asked: Promise<void>[] = [];
  const ask = async (number: number): Promise<void> => {
    const { node, addresses } = agents[number % count] ?? agents[0]!;
    const question = { node, epoch: 'baseline', since: 1, have: addresses, want: [] };
    const askedMs = performance.now();
    await pool[number % CLIENTS]!.ask(question, { signal });
    durationsMs.push(performance.now() - askedMs);
  };
  const stopping = AbortSignal.timeout(ms);
  const startedMs = performance.now();
  await every({
    periodMs: 5,
    signal: stopping,
    tick: async () => {
      const due = ((performance.now() - startedMs) * count) / periodMs;
      while (asked.length < due) asked.push(ask(asked.length));
    },
    onError: (error) => {
      throw error;
    },
  });
  await Promise.all(asked);
}

await Promise.all(agents.map(({ node }) => writeFile(join(tokens, node), node)));
process.on('message', (command: Command) => {
  void obey(command).then((answer) => process.send?.(answer ?? null));
});
process.stdout.write('ready\n');
