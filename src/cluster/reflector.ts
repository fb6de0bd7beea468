import { setTimeout as delayFor } from 'node:timers/promises';
import type { Log } from '../runtime/log.ts';
import { ApiError, type ApiConnection } from './api-connection.ts';
import { Backoff } from './backoff.ts';
import type { ClusterClient } from './cluster-client.ts';
import { isRefusalOfStream, reasonOf, type Interruption } from './interruption.ts';
import { listPages } from './list-pages.ts';
import { Mirror } from './mirror.ts';
import { endsInitialEvents, resourceVersionOf } from './object-meta.ts';
import type { ReflectorObserver, ReflectorStatus } from './reflector-observer.ts';
import type { Resource, Sink } from './resource.ts';
import { watchEvents, type WatchEvent } from './watch-events.ts';

/** After it, a watch-list that has not told all objects is given up for pages. */
const INITIAL_EVENTS_MS_MAX = 60_000;
/** The server ends a watch after this time, so that reconnecting spreads over replicas and time. */
const WATCH_SECONDS_MIN = 300;
const WATCH_SECONDS_MAX = 600;
/** How long a server that refused a watch-list is not asked for one: it may be updated meanwhile. */
const PAGES_MS = 3_600_000;
const RETRY_AFTER_MS_MAX = 60_000;

export interface ReflectorOptions<Kept> {
  readonly resource: Resource<Kept>;
  readonly sink: Sink<Kept>;
  readonly client: ClusterClient;
  readonly observer: ReflectorObserver;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly random?: () => number;
  /** Rejects when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly initialEventsMsMax?: number;
}

/**
 * Keeps a sink equal to all objects of one kind: a list, then a watch, and again whenever the watch
 * cannot be resumed. It goes on until its signal aborts, whatever the API server does, and tells the
 * sink nothing after that. What became of objects between two lists is found by their absence.
 */
export class Reflector<Kept> {
  readonly #options: ReflectorOptions<Kept>;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #delay: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #backoff: Backoff;
  readonly #mirror: Mirror<Kept>;
  /** As of which the sink is whole; undefined when all has to be read anew. */
  #resourceVersion: string | undefined;
  #listReason = 'start';
  /** Which of the field selectors the server has not refused. */
  #selector = 0;
  #pagesUntilMs = 0;
  #synced = false;
  /** Undefined while all goes well. */
  #failing: { readonly sinceMs: number; readonly reason: Interruption } | undefined;
  #lastContactMs: number | undefined;

  constructor(options: ReflectorOptions<Kept>) {
    const { resource, sink, observer, log } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#delay = options.delay ?? (async (ms, signal) => delayFor(ms, undefined, { signal }));
    this.#backoff = new Backoff({ random: this.#random });
    this.#mirror = new Mirror({
      resource,
      sink,
      onRejected: (err) => {
        observer.rejected(resource.kind);
        log.error({ err, kind: resource.kind }, 'Cannot take in an object of the API server');
      },
    });
  }

  get status(): ReflectorStatus {
    return {
      kind: this.#options.resource.kind,
      synced: this.#synced,
      failingSinceMs: this.#failing?.sinceMs,
      lastContactMs: this.#lastContactMs,
      objects: this.#mirror.size,
    };
  }

  /** Resolves when the signal has aborted and everything is closed; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#round(signal);
      try {
        await this.#delay(waitMs, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  /** A cycle, however it ends; resolves to how long to wait before the next. */
  async #round(signal: AbortSignal): Promise<number> {
    const beganMs = this.#now();
    try {
      await this.#cycle(signal);
      return this.#ended(this.#now() - beganMs);
    } catch (error) {
      return signal.aborted ? 0 : this.#failed(error, this.#now() - beganMs);
    }
  }

  /** One connection: all objects if need be, then what happens to them, until the server ends it. */
  async #cycle(signal: AbortSignal): Promise<void> {
    await using connection = await this.#options.client.connect({ signal });
    if (this.#resourceVersion === undefined && this.#now() >= this.#pagesUntilMs) {
      // The stream that brought the objects goes on as a watch.
      if (await this.#watchList(connection, signal)) return;
    }
    if (this.#resourceVersion === undefined) await this.#listPages(connection, signal);
    await this.#watch(connection, { resourceVersion: this.#resourceVersion ?? '' }, signal);
  }

  /** False when the server streams no lists. */
  async #watchList(connection: ApiConnection, signal: AbortSignal): Promise<boolean> {
    const { resource, log, initialEventsMsMax = INITIAL_EVENTS_MS_MAX } = this.#options;
    const tooLong = new AbortController();
    const timer = setTimeout(() => {
      if (this.#resourceVersion === undefined) tooLong.abort();
    }, initialEventsMsMax);
    const query = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
    this.#mirror.beginList();
    try {
      await this.#watch(connection, query, AbortSignal.any([signal, tooLong.signal]));
    } catch (error) {
      const isGivenUp = tooLong.signal.aborted || isRefusalOfStream(error);
      if (signal.aborted || this.#resourceVersion !== undefined || !isGivenUp) throw error;
      this.#pagesUntilMs = this.#now() + PAGES_MS;
      const { kind } = resource;
      log.info({ err: error, kind }, 'The API server streams no lists: reading them in pages');
      return false;
    } finally {
      clearTimeout(timer);
    }
    if (this.#resourceVersion !== undefined) return true;
    throw new Error('The API server ended a list before it was whole');
  }

  async #listPages(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const { path } = this.#options.resource;
    let resourceVersion: string | undefined;
    this.#mirror.beginList();
    for await (const page of listPages(connection, path, this.#selectors(), { signal })) {
      this.#heard();
      for (const object of page.items) {
        signal.throwIfAborted();
        this.#mirror.put(object);
      }
      ({ resourceVersion } = page);
    }
    signal.throwIfAborted();
    this.#resourceVersion = resourceVersion;
    this.#listed('pages');
  }

  /** Resolves when the server ends the watch, which it does every few minutes. */
  async #watch(
    connection: ApiConnection,
    from: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { resource, observer } = this.#options;
    const seconds = WATCH_SECONDS_MIN + this.#random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN);
    const query = {
      ...this.#selectors(),
      ...from,
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(Math.round(seconds)),
    };
    const body = await connection.stream(resource.path, query, { signal });
    this.#heard();
    for await (const event of watchEvents(body)) {
      signal.throwIfAborted();
      this.#heard();
      observer.event(resource.kind, event.type);
      this.#take(event);
    }
    signal.throwIfAborted();
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'DELETED') this.#mirror.delete(object);
    else if (type !== 'BOOKMARK') this.#mirror.put(object);
    const isWhole = this.#resourceVersion !== undefined;
    // A list that is not whole cannot be resumed.
    if (!isWhole && !(type === 'BOOKMARK' && endsInitialEvents(object))) return;
    this.#resourceVersion = resourceVersionOf(object);
    if (!isWhole) this.#listed('stream');
  }

  #listed(by: 'stream' | 'pages'): void {
    const { resource, observer, log } = this.#options;
    const { kind } = resource;
    this.#mirror.endList();
    this.#synced = true;
    this.#failing = undefined;
    observer.listed(kind, { by, reason: this.#listReason });
    log.info({ kind, by, reason: this.#listReason, objects: this.#mirror.size }, 'Objects read');
  }

  #heard(): void {
    this.#lastContactMs = this.#now();
    if (this.#resourceVersion !== undefined) this.#failing = undefined;
  }

  /** Returns how long to wait. */
  #ended(livedMs: number): number {
    const { resource, observer } = this.#options;
    observer.interrupted(resource.kind, 'closed');
    return this.#backoff.nextMs(livedMs);
  }

  /** Returns how long to wait. */
  #failed(error: unknown, livedMs: number): number {
    const { resource, client, observer } = this.#options;
    const reason = reasonOf(error);
    observer.interrupted(resource.kind, reason);
    this.#report(error, reason);
    if (reason === 'unauthorized') client.forgetCredentials();
    if (reason === 'expired' || reason === 'refused') {
      this.#resourceVersion = undefined;
      this.#listReason = reason;
    }
    if (reason === 'refused' && this.#selector + 1 < resource.fieldSelectors.length) {
      this.#selector++;
    }
    const retryAfterMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(this.#backoff.nextMs(livedMs), Math.min(retryAfterMs, RETRY_AFTER_MS_MAX));
  }

  /** The same trouble is told once, however often it is met. */
  #report(error: unknown, reason: Interruption): void {
    const { resource, client, log } = this.#options;
    const { sinceMs = this.#now(), reason: known } = this.#failing ?? {};
    this.#failing = { sinceMs, reason };
    if (known === reason) return;
    const details = { kind: resource.kind, server: client.server, reason };
    // The server keeps no more than some minutes of what has happened.
    if (reason === 'expired') log.info(details, 'The API server has forgotten what came next');
    else log.warn({ ...details, err: error }, 'Cannot watch the API server; trying again');
  }

  #selectors(): Record<string, string> {
    const { fieldSelectors, labelSelector } = this.#options.resource;
    const fieldSelector = fieldSelectors[this.#selector] ?? '';
    return {
      ...(fieldSelector !== '' && { fieldSelector }),
      ...(labelSelector !== '' && { labelSelector }),
    };
  }
}
