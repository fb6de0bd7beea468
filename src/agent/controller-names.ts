import type { Identity } from '../inventory/identity.ts';
import { ADDRESSES_MAX } from '../inventory/wire.ts';
import type { Log } from '../runtime/log.ts';
import type { CredentialFiles } from './credentials.ts';
import { KnownAddresses } from './known-addresses.ts';
import { countUnresolved, type Mapping, type Names } from './names.ts';
import { Refusal, ResolveClient } from './resolve-client.ts';

const BACKOFF_MS_MIN = 1000;
const BACKOFF_MS_MAX = 60_000;
/** Without an answer for so long, who had a pod's address then may not have it now. */
const POD_MS_MAX = 3_600_000;

export interface ControllerNamesOptions {
  /** Of the controller, without a path. */
  readonly url: string;
  readonly credentials?: CredentialFiles;
  readonly nodeName: string;
  readonly log: Log;
  /** Beyond it, the addresses not asked for lately are forgotten first. */
  readonly addressesMax?: number;
  /** Milliseconds since the epoch, on a clock that does not step. */
  readonly now?: () => number;
  /** 0 to 1: spreads the agents of a cluster over time. */
  readonly random?: () => number;
}

/** Names from a controller, by POST /v1/resolve. Throws a Failure when the URL is none. */
export class ControllerNames implements Names, AsyncDisposable {
  readonly #url: string;
  readonly #nodeName: string;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #client: ResolveClient;
  readonly #known: KnownAddresses;
  readonly #closing = new AbortController();
  /** Of the last resolve(). */
  #addresses: readonly string[] = [];
  #running: Promise<void> | undefined;
  #isStale = false;
  #failures = 0;
  #failuresInRow = 0;
  #lastAnswerMs: number | undefined;
  #backoffUntilMs = 0;

  constructor({
    url,
    credentials,
    nodeName,
    log,
    addressesMax = 131_072,
    now = () => performance.timeOrigin + performance.now(),
    random = Math.random,
  }: ControllerNamesOptions) {
    this.#url = url;
    this.#nodeName = nodeName;
    this.#log = log;
    this.#now = now;
    this.#random = random;
    this.#client = new ResolveClient(url, { credentials });
    this.#known = new KnownAddresses({ addressesMax, random });
  }

  get mapping(): Mapping {
    return {
      up: this.#lastAnswerMs !== undefined && this.#failuresInRow === 0,
      stale: this.#isStale,
      unresolvedAddresses: countUnresolved(this, this.#addresses),
      failures: this.#failures,
      lastAnswerMs: this.#lastAnswerMs,
    };
  }

  identityOf(address: string): Identity | undefined {
    const identity = this.#known.identityOf(address);
    const isOutdated = this.#now() - (this.#lastAnswerMs ?? 0) > POD_MS_MAX;
    return isOutdated && identity?.type === 'pod' ? undefined : identity;
  }

  /** Returns at once while it backs off from a controller that is away. */
  async resolve(
    addresses: Iterable<string>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    this.#addresses = this.#known.remember(addresses);
    // One at a time: the questions of the last resolve() may still be on their way.
    if (this.#running !== undefined) await settledOrAborted(this.#running, signal);
    if (this.#running !== undefined || signal.aborted) return;
    const nowMs = this.#now();
    if (nowMs < this.#backoffUntilMs) return;
    const due = this.#addresses.filter((address) => this.#known.isDue(address, nowMs));
    if (due.length === 0) return;
    this.#running = this.#ask(due).finally(() => {
      this.#running = undefined;
    });
    await settledOrAborted(this.#running, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#client[Symbol.dispose]();
  }

  async #ask(addresses: readonly string[]): Promise<void> {
    const { signal } = this.#closing;
    for (let at = 0; at < addresses.length; at += ADDRESSES_MAX) {
      const question = this.#known.question(addresses.slice(at, at + ADDRESSES_MAX), this.#now());
      try {
        const response = await this.#client.ask({ node: this.#nodeName, ...question }, { signal });
        this.#known.take(question, response, this.#now());
        this.#noteStale(response.stale);
      } catch (error) {
        if (!signal.aborted) this.#failed(error);
        return;
      }
      this.#answered();
    }
  }

  #noteStale(stale: boolean): void {
    if (stale && !this.#isStale) {
      this.#log.warn({ url: this.#url }, "The controller's source is away: names may be outdated");
    }
    this.#isStale = stale;
  }

  #answered(): void {
    if (this.#failuresInRow > 0) this.#log.info({ url: this.#url }, 'Controller answers again');
    this.#failuresInRow = 0;
    this.#lastAnswerMs = this.#now();
  }

  #failed(error: unknown): void {
    if (this.#failuresInRow === 0) {
      const message = 'Cannot learn names from the controller; those known so far stay';
      this.#log.warn({ err: error, url: this.#url }, message);
    }
    this.#failures++;
    const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#failuresInRow++, BACKOFF_MS_MAX);
    const retryAfterMs = error instanceof Refusal ? error.retryAfterMs : 0;
    const waitMs = Math.max(backoffMs * this.#random(), Math.min(retryAfterMs, BACKOFF_MS_MAX));
    this.#backoffUntilMs = this.#now() + waitMs;
  }
}

async function settledOrAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = (): void => aborted.resolve();
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
