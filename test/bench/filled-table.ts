import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { COMMAND_PATH, runCommand } from '../../src/demo/command.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import type { Filling } from './fill-table.ts';
import { roomFor } from './table-room.ts';
import type { TableWorkerData, Wish } from './table-worker.ts';

const FILL_TABLE = fileURLToPath(new URL('./fill-table.ts', import.meta.url));

/** A table that is full, in a network namespace of its own, and those who read it beside khan. */
export class FilledTable implements AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly #worker: Worker;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    namespace: NetworkNamespace,
    worker: Worker,
    resources: AsyncDisposableStack,
  ) {
    this.namespace = namespace;
    this.#worker = worker;
    this.#resources = resources;
  }

  /** `sysctl`: of the namespace, before it is filled. */
  static async create(
    filling: Filling,
    sysctl: Readonly<Record<string, string>> = {},
  ): Promise<FilledTable> {
    await using resources = new AsyncDisposableStack();
    resources.use(await roomFor(filling.entries));
    const namespace = resources.use(await NetworkNamespace.create('bench'));
    await namespace.sysctl(sysctl);
    await fill(namespace, filling);
    const workerData: TableWorkerData = { netns: namespace.path, filling };
    const worker = new Worker(new URL('./table-worker.ts', import.meta.url), { workerData });
    resources.defer(async () => {
      await worker.terminate();
    });
    return new FilledTable(namespace, worker, resources.move());
  }

  /** How long a bare discard of the dump takes, in a thread of its own. */
  async discardMs(): Promise<number> {
    return this.#ask('discard');
  }

  /** /proc/net/nf_conntrack, read in a thread; undefined where the kernel does not have it. */
  async procMs(): Promise<number | undefined> {
    return this.#ask('proc');
  }

  /** Debian's `conntrack -L > /dev/null`; undefined where it is not installed. */
  async conntrackMs(): Promise<number | undefined> {
    const [program = '', ...argv] = this.namespace.enter(['conntrack', '-L']);
    const began = performance.now();
    const child = spawn(program, argv, {
      stdio: 'ignore',
      env: { ...process.env, PATH: COMMAND_PATH },
    });
    const [code] = await once(child, 'exit');
    return code === 0 ? performance.now() - began : undefined;
  }

  /** A fifth of the entries ends, and as many others of the same edges begin. */
  async replaceFifth(): Promise<void> {
    await this.#ask('replace');
  }

  async #ask(wish: Wish): Promise<any> {
    this.#worker.postMessage(wish);
    const [ms] = await once(this.#worker, 'message');
    return ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** In a process of its own: its memory is not that of who measures. */
async function fill({ path }: NetworkNamespace, filling: Filling): Promise<void> {
  const { entries, edges, ipv6Share } = filling;
  await runCommand(
    [process.execPath, FILL_TABLE, '--netns', path]
      .concat(['--entries', String(entries), '--edges', String(edges)])
      .concat(['--ipv6-share', String(ipv6Share)]),
  );
}
