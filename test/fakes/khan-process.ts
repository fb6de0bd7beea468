import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';

const SOURCE = join(import.meta.dirname, '../../src');
const CLI = join(SOURCE, 'cli.ts');
/** Ends khan when this process is gone before it could tear down, as after a timeout of tap. */
const END_WITH_PARENT = join(SOURCE, 'demo/end-with-parent.ts');

/** Polls of less than a second may cost more than their share of a core. */
const UNSTRETCHED = { KHAN_CPU_SHARE_MAX: '0' };

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly [property: string]: unknown;
}

interface Options {
  /** Beside this process' own without KHAN_* and OTEL_*. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs khan, such as `nsenter --net=…`. */
  readonly through?: readonly string[];
  /** Another cli than the one in src/. */
  readonly cli?: string;
}

/** The command as a user would start it, killed at the latest when the test ends. */
export class KhanProcess {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(
    t: Test,
    argv: readonly string[],
    { env = {}, through = [], cli = CLI }: Options = {},
  ) {
    const command = [process.execPath, '--import', END_WITH_PARENT, cli, ...argv];
    const [program = '', ...rest] = [...through, ...command];
    this.#child = spawn(program, rest, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...foreignEnvironment(), ...UNSTRETCHED, ...env },
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = once(this.#child, 'close').then(([code, signal]) => {
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
    });
    t.teardown(async () => {
      this.kill('SIGKILL');
      await this.ended;
    });
  }

  /** What it has logged so far. */
  get lines(): readonly Line[] {
    const whole = this.#stderr.split('\n').slice(0, -1);
    return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves to the first line with this message; rejects when khan ends without it. */
  async logged(message: string): Promise<Line> {
    const tooLate = this.ended.then(({ code, stderr }) => {
      throw new Error(`Cannot wait for "${message}": khan ended with ${code}: ${stderr}`);
    });
    // Whoever has found the line does not wait for the end.
    tooLate.catch(() => {});
    for (;;) {
      const line = this.lines.find(({ msg }) => msg === message);
      if (line !== undefined) return line;
      await Promise.race([once(this.#child.stderr!, 'data'), tooLate]);
    }
  }
}

/** `khan agent` with a short poll, on a free port of loopback; resolves when it listens. */
export async function startAgent(
  t: Test,
  argv: readonly string[],
  options?: Options,
): Promise<{ readonly agent: KhanProcess; readonly url: string }> {
  const common = ['--node-name', 'node-a', '--poll-interval', '200ms', '--exclude', 'none'];
  const listen = ['--listen', '127.0.0.1:0'];
  const agent = new KhanProcess(t, ['agent', ...common, ...listen, ...argv], options);
  const { port } = await agent.logged('Agent listens');
  return { agent, url: `http://127.0.0.1:${String(port)}` };
}

/** Runs khan to its end. */
export async function khan(t: Test, argv: readonly string[], options?: Options): Promise<Ending> {
  return new KhanProcess(t, argv, options).ended;
}

function foreignEnvironment(): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(KHAN|OTEL)_/.test(name));
  return Object.fromEntries(foreign);
}
