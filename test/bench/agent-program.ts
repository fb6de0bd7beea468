import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import { blockOf } from './controller-program.ts';
import type { Block } from './loop-block.ts';
import { cpuSecondsOf, memoryOf, REPOSITORY, startProgram } from './program.ts';

/** What cycle.ts logs at its level `debug`. */
const PUBLISHED = 'Snapshot published';
const QUIET = /^\{"level":"(?:debug|info)"/;
const PUBLISHED_MS_MAX = 60_000;

/** Since the program began. */
interface AgentReading {
  readonly cycles: number;
  readonly cycleSeconds: number;
}

/**
 * `khan agent` as a program of its own, from source; of any revision: all that is read of it is its log
 * and its page. While it is paused it takes no time from others.
 */
export class AgentProgram {
  readonly child: ChildProcess;
  readonly url: string;
  readonly #lines: Interface;

  private constructor(child: ChildProcess, url: string) {
    this.child = child;
    this.url = url;
    this.#lines = createInterface({ input: child.stderr! });
    // Everything else than what is told anyway: a warning, or a program that did not start.
    this.#lines.on('line', (line) => {
      if (!QUIET.test(line)) process.stderr.write(`${line}\n`);
    });
  }

  /** Resolves when it has published a snapshot. */
  static async start({
    repository = REPOSITORY,
    netns,
    argv = [],
    preload = [],
    env = {},
    resources,
  }: {
    readonly repository?: string;
    readonly netns: string;
    readonly argv?: readonly string[];
    /** Files to load before it. */
    readonly preload?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly resources: AsyncDisposableStack;
  }): Promise<AgentProgram> {
    const listen = `127.0.0.1:${await freePort(0)}`;
    const agent = new AgentProgram(
      startProgram(
        [...preload.flatMap((file) => ['--import', file]), join(repository, 'src/cli.ts'), 'agent']
          .concat(['--netns', netns, '--exclude', 'none', '--listen', listen])
          .concat(['--log-level', 'debug', ...argv]),
        resources,
        env,
        'pipe',
      ),
      `http://${listen}`,
    );
    await agent.published(1);
    return agent;
  }

  /** So many snapshots from now on. */
  async published(snapshots: number): Promise<void> {
    const left = AbortSignal.timeout(PUBLISHED_MS_MAX * snapshots);
    const ended = new AbortController();
    const onExit = () => ended.abort(new Error('Cannot measure: the agent has ended'));
    this.child.once('exit', onExit);
    const signal = AbortSignal.any([left, ended.signal]);
    try {
      for (let seen = 0; seen < snapshots;) {
        const [line] = await once(this.#lines, 'line', { signal });
        if (String(line).includes(PUBLISHED)) seen++;
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      this.child.off('exit', onExit);
    }
    // What is measured of the cycle is noted just behind the line.
    await delay(10);
  }

  /** Between two cycles: one that is held up lasts as long. */
  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  async read(): Promise<AgentReading> {
    const { text } = await this.scrape();
    const valueOf = (name: string) =>
      Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'm').exec(text)?.[1]);
    return {
      cycles: valueOf('khan_agent_cycle_duration_seconds_count'),
      cycleSeconds: valueOf('khan_agent_cycle_duration_seconds_sum'),
    };
  }

  async cpuSeconds(): Promise<number> {
    return cpuSecondsOf(this.child);
  }

  /** From the request to the last byte. */
  async scrape(): Promise<{ readonly ms: number; readonly text: string }> {
    const began = performance.now();
    const response = await fetch(`${this.url}/metrics`, {
      headers: { 'accept-encoding': 'identity' },
    });
    const bytes = await response.arrayBuffer();
    return { ms: performance.now() - began, text: Buffer.from(bytes).toString('utf8') };
  }

  /** Of its event loop since it was asked last; report-block.ts has to be loaded before it. */
  async block(): Promise<Block> {
    return blockOf(this.child);
  }

  async memory(): ReturnType<typeof memoryOf> {
    return memoryOf(this.child);
  }
}
