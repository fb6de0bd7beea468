import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { COMMAND_PATH } from './command.ts';
import type { NetworkNamespace } from './namespace.ts';
import { siblingScript } from './sibling-script.ts';
import type { Command, Commands, Reply, Request } from './workload.ts';

interface Waiting {
  readonly resolve: (answer: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** The process behind a place: workload.ts inside its network namespace. */
export class WorkloadProcess implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  /** `portsBeginAt`: in the range of its source ports, from 0 to 1. */
  constructor(name: string, namespace: NetworkNamespace, { portsBeginAt = 0 } = {}) {
    this.#name = name;
    const argv = [process.execPath, siblingScript('workload'), name, String(portsBeginAt)];
    const [program = '', ...rest] = namespace.enter(argv);
    this.#child = spawn(program, rest, {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, PATH: COMMAND_PATH },
    });
    this.#child.on('message', (reply: Reply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.once('error', (cause) => this.#end(cause));
    this.#child.once('exit', () => this.#end());
  }

  #end(cause?: unknown): void {
    const error = new Error(`Cannot command the workload of ${this.#name}: it has ended`, {
      cause,
    });
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async call<Name extends Command>(
    command: Name,
    request: Commands[Name]['request'],
  ): Promise<Commands[Name]['answer']> {
    const message: Request<Name> = { id: ++this.#requests, command, request };
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(message.id, { resolve, reject });
      this.#child.send(message, (error) => {
        if (error) this.#end(error);
      });
    });
    if ('error' in reply) {
      const asked = JSON.stringify(request);
      throw new Error(`Cannot ${command} ${asked} from ${this.#name}: ${reply.error}`);
    }
    return reply.answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}
