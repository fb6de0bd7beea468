import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { AddressTakeover, EdgeColumns, Snapshot } from '../connections/snapshot.ts';
import { EXIT_FAILURE, EXIT_PERMISSION, Failure } from '../runtime/failure.ts';
import type { SaveResult, SaveSettings } from './state-saver.ts';
import type { WorkerAnswer, WorkerQuestion, WorkerSettings } from './snapshot-worker.ts';

const WORKER = new URL(`./snapshot-worker${import.meta.url.slice(-3)}`, import.meta.url);

export interface SnapshotSourceOptions {
  readonly netns: string | undefined;
  /** Of connections that are too short for a snapshot, events tell. */
  readonly followsEvents?: boolean;
  /** Where save() writes to. */
  readonly state?: SaveSettings | undefined;
}

/**
 * Snapshots from a worker thread, which lives in the network namespace at `netns` and dumps while the
 * main thread goes on. One snapshot at a time.
 */
export class SnapshotSource implements AsyncDisposable {
  readonly #settings: Omit<WorkerSettings, 'seed' | 'state'>;
  #state: SaveSettings | undefined;
  #worker: Worker | undefined;
  #cpuMs = 0;
  #begun: Promise<WorkerAnswer> | undefined;

  constructor({ netns, followsEvents = false, state }: SnapshotSourceOptions) {
    this.#settings = { netns, followsEvents };
    this.#state = state;
  }

  /** Processor time that the workers have taken for what they were asked, user and system. */
  get cpuMs(): number {
    return this.#cpuMs;
  }

  /** Starts the worker; with `takes` also the snapshot that the first take() tells of. */
  begin({ takes }: { readonly takes: boolean }): void {
    this.#worker ??= this.#start();
    if (!takes) return;
    this.#begun = this.#ask({ kind: 'take' });
    // Whoever takes it is told.
    this.#begun.catch(() => {});
  }

  /**
   * Rejects with a Failure when the table may not be read at all, and with an Error when this
   * snapshot failed. A worker that died is replaced with the next call; its first snapshot is a
   * baseline.
   */
  async take(): Promise<Snapshot> {
    const begun = this.#begun;
    this.#begun = undefined;
    const answer = await (begun ?? this.#ask({ kind: 'take' }));
    if (answer.kind === 'snapshot') return answer.snapshot;
    throw answer.kind === 'failure' ? failureOf(answer, this.#settings.netns) : mixedUp(answer);
  }

  /** The edges of the last snapshot, with what began before these takeovers apart from now on. */
  async divide(takeovers: readonly AddressTakeover[]): Promise<EdgeColumns> {
    if (this.#worker === undefined) throw new Error('Cannot divide a snapshot: its worker died');
    const answer = await this.#ask({ kind: 'divide', takeovers });
    if (answer.kind === 'edges') return answer.edges;
    throw mixedUp(answer);
  }

  /**
   * The edges of a state's rows, with which the next snapshot is compared: it is no baseline. `columns` are
   * given away. Rejects when they cannot be rows.
   */
  async resume(
    columns: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[],
    takeovers: readonly AddressTakeover[],
  ): Promise<EdgeColumns> {
    const buffers = columns.map(({ bytes }) => bytes.buffer);
    const answer = await this.#ask({ kind: 'resume', columns, takeovers }, buffers);
    if (answer.kind === 'edges') return answer.edges;
    throw mixedUp(answer);
  }

  /** A block of the next state, in a buffer that is given away. What became of it, save() says. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): void {
    this.#worker?.postMessage({ kind: 'write', name, bytes } satisfies WorkerQuestion, [
      bytes.buffer,
    ]);
  }

  /** The blocks that were written, and the rows of the last snapshot, are the state from now on. */
  async save(): Promise<SaveResult> {
    if (this.#worker === undefined) return { kind: 'nothing' };
    const answer = await this.#ask({ kind: 'save' });
    if (answer.kind !== 'save') throw mixedUp(answer);
    const { result } = answer;
    if (result.kind === 'saved' && this.#state !== undefined) {
      this.#state = { ...this.#state, stamp: result.stamp };
    }
    return result;
  }

  /** Ends the worker; the next one's first snapshot is a baseline. */
  async reset(): Promise<void> {
    this.#begun = undefined;
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reset();
  }

  async #ask(
    question: WorkerQuestion,
    buffers: readonly ArrayBuffer[] = [],
  ): Promise<WorkerAnswer> {
    this.#worker ??= this.#start();
    const answer = await ask(this.#worker, question, buffers);
    this.#cpuMs += answer.cpuMs;
    return answer;
  }

  #start(): Worker {
    // The threads of libuv's pool are started by whoever needs the pool first, and inherit that
    // thread's network namespace for good. They must be the main thread's: this call starts them.
    stat('/', () => {});
    const settings: WorkerSettings = {
      ...this.#settings,
      seed: randomInt(2 ** 32),
      state: this.#state,
    };
    const worker = new Worker(WORKER, { workerData: settings, name: 'snapshot' });
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }
}

async function ask(
  worker: Worker,
  question: WorkerQuestion,
  buffers: readonly ArrayBuffer[],
): Promise<WorkerAnswer> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    worker.postMessage(question, buffers);
    const ended = once(worker, 'exit', { signal }).then(([code]) => {
      throw new Error(`It ended with exit code ${code}`);
    });
    const [answer] = await Promise.race([once(worker, 'message', { signal }), ended]);
    return answer;
  } catch (error) {
    await worker.terminate();
    throw new Error('Cannot take a snapshot: the worker thread died', { cause: error });
  } finally {
    settled.abort();
  }
}

function mixedUp({ kind }: WorkerAnswer): Error {
  return new Error(`Cannot use the answer of the snapshot worker: it is a ${kind}`);
}

function failureOf(answer: WorkerAnswer & { kind: 'failure' }, netns: string | undefined): Error {
  const { operation, code, message } = answer;
  if (code === 'EPERM' || code === 'EACCES') {
    // CAP_NET_ADMIN reads the own namespace's table, CAP_SYS_ADMIN enters another namespace.
    const capability = operation.includes('network namespace') ? 'SYS_ADMIN' : 'NET_ADMIN';
    return new Failure(
      `Cannot ${operation}: ${code}. This process lacks CAP_${capability}. Run it as root, or grant ` +
        `the capability: in Kubernetes with securityContext.capabilities.add: [${capability}], ` +
        `elsewhere with AmbientCapabilities=CAP_${capability} in a systemd unit.`,
      { exitCode: EXIT_PERMISSION },
    );
  }
  if (netns !== undefined && operation.includes('network namespace')) {
    return new Failure(`${message}. Is --netns right?`, { exitCode: EXIT_FAILURE });
  }
  return new Error(message);
}
