import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { siblingScript } from './sibling-script.ts';

const READY_MS_MAX = 30_000;
const READY_CHECK_MS = 100;
const REQUEST_MS_MAX = 5000;
/** Of the 14,000 that the kernel gives, so that another one is always found soon. */
const PORTS_MAX = 7000;
const END_MS_MAX = 1000;

/** One of khan's programs as a user would start it, serving on loopback; it ends with this one. */
export class KhanProcess implements AsyncDisposable {
  /** Where its pages are, e.g. `http://127.0.0.1:9464`. */
  readonly url: string;
  /** Rejects when the program ends before it is disposed of. */
  readonly ended: Promise<never>;
  readonly #name: string;
  readonly #child: ChildProcess;
  #disposed = false;

  constructor({
    name,
    argv,
    pages,
  }: {
    readonly name: string;
    readonly argv: readonly string[];
    /** The setting that says where its pages are, and a port that is free: see {@link freePort}. */
    readonly pages: { readonly setting: string; readonly port: number };
  }) {
    const address = `127.0.0.1:${pages.port}`;
    this.#name = name;
    this.url = `http://${address}`;
    const cli = siblingScript(join('..', 'cli'));
    const khan = ['--import', siblingScript('end-with-parent'), cli, ...argv];
    this.#child = spawn(process.execPath, [...khan, `--${pages.setting}`, address], {
      // A Ctrl-C in the terminal reaches only us, so that we end things in order.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: environment(),
    });
    this.ended = new Promise((_resolve, reject) => {
      const fail = (state: string, cause?: unknown) => {
        if (this.#disposed) return;
        const message = `Cannot go on with the demo: ${this.#name} ${state}`;
        reject(new Failure(message, { exitCode: EXIT_FAILURE, cause }));
      };
      this.#child.once('error', (cause) => fail('did not start', cause));
      this.#child.once('exit', (code, signal) => fail(`ended with ${signal ?? `exit ${code}`}`));
    });
    // Whoever waits for something else at that moment still sees it later.
    this.ended.catch(() => {});
  }

  /** Resolves when the program says that it is ready; rejects when it ends instead. */
  async ready(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#answersReady(signal), this.ended]);
  }

  async #answersReady(signal: AbortSignal): Promise<void> {
    const deadlineMs = performance.now() + READY_MS_MAX;
    while (!this.#disposed) {
      // Refused until it listens, 503 until it is ready.
      const ready = await fetch(`${this.url}/readyz`, { signal }).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) return;
      if (performance.now() > deadlineMs)
        throw new Failure(
          `Cannot start ${this.#name}: not ready after ${READY_MS_MAX / 1000} seconds`,
          { exitCode: EXIT_FAILURE },
        );
      await delay(READY_CHECK_MS, undefined, { signal });
    }
  }

  async page(path: string): Promise<string> {
    const url = `${this.url}${path}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_MS_MAX) });
    if (!response.ok) throw new Error(`Cannot read ${url}: status ${response.status}`);
    return response.text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    if (this.#child.pid === undefined) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const deadline = setTimeout(() => this.#child.kill('SIGKILL'), END_MS_MAX);
    await exited;
    clearTimeout(deadline);
  }
}

/** Without settings of khan: a KHAN_EXCLUDE in the user's shell would change what is counted. */
function environment(): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('KHAN_'));
  return Object.fromEntries(foreign);
}

/** Those given that nobody had asked for: whoever is to listen there may not do so yet. */
const given = new Set<number>();

/** The wanted port of loopback, or, where that is taken or 0, one that has not been given before. */
export async function freePort(wanted: number): Promise<number> {
  const port = await freeNow(wanted).catch(async () => freeNow(0));
  if (port === wanted) return port;
  if (given.size === PORTS_MAX) throw new Error(`Cannot give another port: ${PORTS_MAX} are given`);
  if (given.has(port)) return freePort(0);
  given.add(port);
  return port;
}

async function freeNow(wanted: number): Promise<number> {
  const server = createServer().listen({ host: '127.0.0.1', port: wanted });
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : wanted;
}
