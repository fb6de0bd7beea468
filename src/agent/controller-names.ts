import { setTimeout as delayUntil } from 'node:timers/promises';
import type { Identity, Takeover } from '../inventory/identity.ts';
import { ADDRESSES_MAX } from '../inventory/wire.ts';
import type { Log } from '../runtime/log.ts';
import type { Mapping, UnansweredReason } from '../telemetry/mapping-metrics.ts';
import type { CredentialFiles } from './credentials.ts';
import { KnownAddresses, POD_MS_MAX } from './known-addresses.ts';
import { countUnresolved, type Names } from './names.ts';
import { ResolveClient, Unanswered } from './resolve-client.ts';

const BACKOFF_MS_MIN = 1000;
const BACKOFF_MS_MAX = 60_000;

/** Is told what became of each question. */
export interface QuestionObserver {
  answered(durationMs: number): void;
  unanswered(reason: UnansweredReason): void;
}

export interface ControllerNamesOptions {
  /** Of the controller, without a path. */
  readonly url: string;
  readonly credentials?: CredentialFiles;
  readonly nodeName: string;
  readonly log: Log;
  readonly observer: QuestionObserver;
  /** Beyond it, the addresses not asked for lately are forgotten first. */
  readonly addressesMax?: number;
  /** Milliseconds since the epoch, on a clock that does not step. */
  readonly now?: () => number;
  /** 0 to 1: spreads the agents of a cluster over time. */
  readonly random?: () => number;
  /** Rejects when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Names from a controller, by POST /v1/resolve. Throws a Failure when the URL is none. */
export class ControllerNames implements Names, AsyncDisposable {
  readonly #url: string;
  readonly #nodeName: string;
  readonly #log: Log;
  readonly #observer: QuestionObserver;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #client: ResolveClient;
  readonly #known: KnownAddresses;
  readonly #closing = new AbortController();
  /** Of the last resolve(). */
  #addresses: readonly string[] = [];
  #running: Promise<void> | undefined;
  /** Of one question; less once a controller has said that it was too many. */
  #questionAddressesMax = ADDRESSES_MAX;
  #isStale = false;
  #failuresInRow = 0;
  #lastAnswerMs: number | undefined;
  /** As of when the names are that are known without an answer. */
  #restoredMs = 0;
  #backoffUntilMs = 0;

  constructor({
    url,
    credentials,
    nodeName,
    log,
    observer,
    addressesMax = 131_072,
    now = () => performance.timeOrigin + performance.now(),
    random = Math.random,
    delay = idleDelay,
  }: ControllerNamesOptions) {
    this.#url = url;
    this.#nodeName = nodeName;
    this.#log = log;
    this.#observer = observer;
    this.#now = now;
    this.#random = random;
    this.#delay = delay;
    this.#client = new ResolveClient(url, { credentials });
    this.#known = new KnownAddresses({ addressesMax, random });
  }

  get mapping(): Mapping {
    return {
      up: this.#lastAnswerMs !== undefined && this.#failuresInRow === 0,
      stale: this.#isStale,
      unresolvedAddresses: countUnresolved(this, this.#addresses),
      lastAnswerMs: this.#lastAnswerMs,
    };
  }

  /** An agent that has heard nothing for long no longer says who has the address of a pod. */
  identityOf(address: string): Identity | undefined {
    const identity = this.#known.identityOf(address);
    const isOutdated = this.#now() - (this.#lastAnswerMs ?? this.#restoredMs) > POD_MS_MAX;
    return isOutdated && identity?.type === 'pod' ? undefined : identity;
  }

  hasEnded(address: string): boolean {
    return this.#known.hasEnded(address) && this.identityOf(address) !== undefined;
  }

  takeovers(): Iterable<readonly [string, Takeover]> {
    return this.#known.takeovers();
  }

  restore(owners: Iterable<readonly [address: string, Identity]>, atMs: number): void {
    this.#known.restore(owners);
    this.#restoredMs = atMs;
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
    const asking = this.#askForDue();
    if (asking !== undefined) await settledOrAborted(asking, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#client[Symbol.dispose]();
  }

  /** Undefined when there is nothing to ask, or not yet. */
  #askForDue(): Promise<void> | undefined {
    const nowMs = this.#now();
    if (nowMs < this.#backoffUntilMs) return undefined;
    const due = this.#addresses.filter((address) => this.#known.isDue(address, nowMs));
    if (due.length === 0 && !this.#known.isPollDue(nowMs)) return undefined;
    this.#running = this.#ask(due).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** In as many questions as it takes, one after the other; without addresses in one that asks nothing. */
  async #ask(addresses: readonly string[]): Promise<void> {
    let asked = 0;
    do {
      const next = addresses.slice(asked, asked + this.#questionAddressesMax);
      try {
        await this.#askOne(next);
        asked += next.length;
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        if (!(error instanceof Unanswered)) throw error;
        this.#observer.unanswered(error.reason);
        if (error.addressesMax === undefined) return this.#backOff(error);
        this.#questionAddressesMax = error.addressesMax;
      }
    } while (asked < addresses.length);
  }

  async #askOne(addresses: readonly string[]): Promise<void> {
    const beganMs = performance.now();
    const question = this.#known.question(addresses, this.#now());
    const { signal } = this.#closing;
    const response = await this.#client.ask({ node: this.#nodeName, ...question }, { signal });
    this.#observer.answered(performance.now() - beganMs);
    this.#known.take(question, response, this.#now());
    this.#noteStale(response.stale);
    if (this.#failuresInRow > 0) this.#log.info({ url: this.#url }, 'Controller answers again');
    this.#failuresInRow = 0;
    this.#lastAnswerMs = this.#now();
  }

  #noteStale(stale: boolean): void {
    if (stale && !this.#isStale) {
      this.#log.warn({ url: this.#url }, "The controller's source is away: names may be outdated");
    }
    this.#isStale = stale;
  }

  #backOff(error: Unanswered): void {
    if (this.#failuresInRow === 0) {
      const message = 'Cannot learn names from the controller; those known so far stay';
      this.#log.warn({ err: error, url: this.#url }, message);
    }
    const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#failuresInRow++, BACKOFF_MS_MAX);
    // On top of what the controller asks for: those it refused together must not come back together.
    const waitMs = Math.min(error.retryAfterMs, BACKOFF_MS_MAX) + backoffMs * this.#random();
    this.#backoffUntilMs = this.#now() + waitMs;
    if (error.retryAfterMs > 0) void this.#askAgain(waitMs);
  }

  /** A controller that has said when it has time is there, and the next poll may be minutes away. */
  async #askAgain(waitMs: number): Promise<void> {
    const { signal } = this.#closing;
    try {
      await this.#delay(waitMs, signal);
      if (this.#running === undefined) await this.#askForDue();
    } catch (err) {
      if (signal.aborted) return;
      this.#log.error(
        { err, url: this.#url },
        'Cannot ask the controller again before the next poll',
      );
    }
  }
}

/** Keeps no process alive. */
async function idleDelay(ms: number, signal: AbortSignal): Promise<void> {
  await delayUntil(ms, undefined, { signal, ref: false });
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
