/**
 * A network namespace that dies with this program. Its holder is a process that reads a pipe from
 * us: however we end, SIGKILL included, the kernel closes the pipe, the holder exits, and the
 * kernel removes the namespace with its interfaces, connections and rules. Nothing is named in
 * /run/netns, and nothing in our own network namespace is touched.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { COMMAND_PATH, runCommand } from './command.ts';

export class NetworkNamespace implements AsyncDisposable {
  readonly name: string;
  /** The holder; `ip link … netns PID` understands it. */
  readonly pid: number;
  /** What setns(2) and `nsenter --net=` open. */
  readonly path: string;
  readonly #holder: ChildProcess;

  private constructor(name: string, holder: ChildProcess, pid: number) {
    this.name = name;
    this.pid = pid;
    this.path = `/proc/${pid}/ns/net`;
    this.#holder = holder;
  }

  static async create(name: string): Promise<NetworkNamespace> {
    // detached: a Ctrl-C in the terminal reaches only us, so that we end things in order.
    const hold = 'ip link set lo up && echo ready && exec cat';
    const holder = spawn('unshare', ['--net', 'sh', '-c', hold], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: COMMAND_PATH },
    });
    let complaint = '';
    holder.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    const ready = await Promise.race([
      once(holder.stdout, 'data').then(() => true),
      once(holder, 'close').then(() => false),
    ]);
    if (!ready || holder.pid === undefined)
      throw new Error(`Cannot create the network namespace ${name}: ${complaint.trim()}`);
    return new NetworkNamespace(name, holder, holder.pid);
  }

  /** The command line that runs a program inside. */
  enter(argv: readonly string[]): readonly string[] {
    return ['nsenter', `--net=${this.path}`, ...argv];
  }

  async run(argv: readonly string[], input?: string): Promise<string> {
    return runCommand(this.enter(argv), input);
  }

  /** Commands of ip(8), without the word `ip`. */
  async ip(commands: readonly string[]): Promise<void> {
    await this.run(['ip', '-batch', '-'], `${commands.join('\n')}\n`);
  }

  /** Names below /proc/sys, with slashes. */
  async sysctl(values: Readonly<Record<string, string>>): Promise<void> {
    // /proc/sys/net shows the namespace of the process that looks: the shell that writes is inside.
    const lines = Object.entries(values).map(([name, value]) => `echo ${value} >/proc/sys/${name}`);
    await this.run(['sh', '-e'], `${lines.join('\n')}\n`);
  }

  async nft(ruleset: string): Promise<void> {
    await this.run(['nft', '-f', '-'], ruleset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const closed = once(this.#holder, 'close');
    this.#holder.stdin?.destroy();
    await closed;
  }
}
