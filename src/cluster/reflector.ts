import { setTimeout as delayFor } from 'node:timers/promises';
import type { Log } from '../runtime/log.ts';
import { Backoff } from './backoff.ts';
import { ApiError, type ApiConnection, type ClusterClient } from './cluster-client.ts';
import { isRefusalOfStream, reasonOf } from './interruption.ts';
import { listPages } from './list-pages.ts';
import { endsInitialEvents, objectMeta, resourceVersionOf } from './object-meta.ts';
import type { ReflectorObserver, ReflectorStatus } from './reflector-observer.ts';
import type { Resource, Sink } from './resource.ts';
import { watchEvents } from './watch-events.ts';

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
  /** UID by key of all objects in the sink. */
  readonly #uids = new Map<string, string>();
  /** As of which the sink is whole; undefined when all has to be read anew. */
  #resourceVersion: string | undefined;
  #listReason = 'start';
  #selector = 0;
  #pagesUntilMs = 0;
  #synced = false;
  #failingSinceMs: number | undefined;
  #lastContactMs: number | undefined;

  constructor(options: ReflectorOptions<Kept>) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#delay = options.delay ?? (async (ms, signal) => delayFor(ms, undefined, { signal }));
    this.#backoff = new Backoff({ random: this.#random });
  }

  get status(): ReflectorStatus {
    return {
      kind: this.#options.resource.kind,
      synced: this.#synced,
      failingSinceMs: this.#failingSinceMs,
      lastContactMs: this.#lastContactMs,
      objects: this.#uids.size,
    };
  }

  /** Resolves when the signal has aborted and everything is closed; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const beganMs = this.#now();
      let waitMs = 0;
      try {
        await this.#cycle(signal);
        waitMs = this.#ended(this.#now() - beganMs);
      } catch (error) {
        if (signal.aborted) return;
        waitMs = this.#failed(error, this.#now() - beganMs);
      }
      try {
        if (waitMs > 0) await this.#delay(waitMs, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  /** One connection: all objects if need be, then what happens to them, until the server ends it. */
  async #cycle(signal: AbortSignal): Promise<void> {
    await using connection = await this.#options.client.connect();
    signal.throwIfAborted();
    if (this.#resourceVersion === undefined && this.#now() >= this.#pagesUntilMs) {
      // The stream that brought the objects goes on as a watch.
      await this.#watchList(connection, signal);
    } else {
      if (this.#resourceVersion === undefined) await this.#listPages(connection, signal);
      await this.#watch(connection, signal);
    }
  }

  async #watchList(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const tooLong = new AbortController();
    const { initialEventsMsMax = INITIAL_EVENTS_MS_MAX } = this.#options;
    const timer = setTimeout(() => tooLong.abort(), initialEventsMsMax);
    const seen = new Set<string>();
    let isWhole = false;
    try {
      const both = AbortSignal.any([signal, tooLong.signal]);
      const query = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
      for await (const event of this.#events(connection, query, both)) {
        this.#take(event, isWhole ? undefined : seen);
        if (isWhole || event.type !== 'BOOKMARK' || !endsInitialEvents(event.object)) continue;
        isWhole = true;
        clearTimeout(timer);
        this.#listed('stream', seen);
      }
    } catch (error) {
      if (isWhole || signal.aborted) throw error;
      if (tooLong.signal.aborted || isRefusalOfStream(error)) {
        this.#pagesUntilMs = this.#now() + PAGES_MS;
        const { kind } = this.#options.resource;
        this.#options.log.info({ kind }, 'The API server streams no lists: reading them in pages');
        return;
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
    if (!isWhole) throw new Error('The API server ended a list before it was whole');
  }

  async #listPages(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const { path } = this.#options.resource;
    const seen = new Set<string>();
    let resourceVersion: string | undefined;
    for await (const page of listPages(connection, path, this.#selectors(), { signal })) {
      signal.throwIfAborted();
      this.#heard();
      for (const object of page.items) this.#put(object, seen);
      ({ resourceVersion } = page);
    }
    this.#resourceVersion = resourceVersion;
    this.#listed('pages', seen);
  }

  async #watch(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const query = { resourceVersion: this.#resourceVersion ?? '' };
    for await (const event of this.#events(connection, query, signal)) this.#take(event);
  }

  async *#events(
    connection: ApiConnection,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly type: string; readonly object: unknown }> {
    const { kind, path } = this.#options.resource;
    const seconds = WATCH_SECONDS_MIN + this.#random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN);
    const body = await connection.stream(
      path,
      {
        ...this.#selectors(),
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(Math.round(seconds)),
        ...query,
      },
      { signal },
    );
    this.#heard();
    for await (const event of watchEvents(body)) {
      signal.throwIfAborted();
      this.#heard();
      this.#options.observer.event(kind, event.type);
      yield event;
    }
    signal.throwIfAborted();
  }

  /** `seen` collects the keys of a list that is not whole yet: it cannot be resumed. */
  #take(event: { readonly type: string; readonly object: unknown }, seen?: Set<string>): void {
    if (event.type === 'DELETED') this.#delete(event.object);
    else if (event.type !== 'BOOKMARK') this.#put(event.object, seen);
    if (seen === undefined || (event.type === 'BOOKMARK' && endsInitialEvents(event.object))) {
      this.#resourceVersion = resourceVersionOf(event.object);
    }
  }

  #put(object: unknown, seen?: Set<string>): void {
    const { resource, sink } = this.#options;
    this.#guarded(() => {
      const { uid, key } = objectMeta(object);
      seen?.add(key);
      const known = this.#uids.get(key);
      if (known !== undefined && known !== uid) this.#remove(key, known);
      const kept = resource.keep(object);
      if (kept === undefined) return this.#remove(key, uid);
      this.#uids.set(key, uid);
      return sink.put(uid, kept);
    });
  }

  #delete(object: unknown): void {
    this.#guarded(() => {
      const { uid, key } = objectMeta(object);
      if (this.#uids.get(key) === uid) this.#remove(key, uid);
    });
  }

  #remove(key: string, uid: string): void {
    if (this.#uids.delete(key)) this.#options.sink.remove(uid);
  }

  /** One object that nobody understands must not cost all the others. */
  #guarded(take: () => void): void {
    const { resource, observer, log } = this.#options;
    try {
      take();
    } catch (err) {
      observer.rejected(resource.kind);
      log.error({ err, kind: resource.kind }, 'Cannot take in an object of the API server');
    }
  }

  /** What was not in the list is gone. */
  #listed(by: 'stream' | 'pages', seen: ReadonlySet<string>): void {
    const { resource, observer, log } = this.#options;
    const { kind } = resource;
    for (const [key, uid] of this.#uids)
      if (!seen.has(key)) this.#guarded(() => this.#remove(key, uid));
    this.#synced = true;
    this.#failingSinceMs = undefined;
    observer.listed(kind, { by, reason: this.#listReason });
    log.info({ kind, by, reason: this.#listReason, objects: this.#uids.size }, 'Objects read');
  }

  #heard(): void {
    this.#lastContactMs = this.#now();
    if (this.#resourceVersion !== undefined) this.#failingSinceMs = undefined;
  }

  /** The server has ended the watch, as it does every few minutes; returns how long to wait. */
  #ended(livedMs: number): number {
    this.#options.observer.interrupted(this.#options.resource.kind, 'closed');
    return this.#backoff.nextMs(livedMs);
  }

  /** Returns how long to wait. */
  #failed(error: unknown, livedMs: number): number {
    const { resource, observer, log } = this.#options;
    const { kind } = resource;
    const reason = reasonOf(error);
    observer.interrupted(kind, reason);
    const waitMs = this.#backoff.nextMs(livedMs);
    if (reason === 'expired') {
      this.#resourceVersion = undefined;
      this.#listReason = reason;
      log.info({ kind }, 'The API server has forgotten what came next: reading all objects again');
      return waitMs;
    }
    if (reason === 'refused' && this.#selector + 1 < resource.fieldSelectors.length) {
      this.#selector++;
      log.info({ kind, fieldSelector: this.#fieldSelector }, 'Selecting fewer objects is refused');
      return waitMs;
    }
    if (this.#failingSinceMs === undefined) {
      this.#failingSinceMs = this.#now();
      const server = this.#options.client.server;
      log.warn({ err: error, kind, server, reason }, 'Cannot watch the API server; trying again');
    }
    const retryAfterMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    return Math.max(waitMs, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX));
  }

  get #fieldSelector(): string {
    return this.#options.resource.fieldSelectors[this.#selector] ?? '';
  }

  #selectors(): Record<string, string> {
    const { labelSelector } = this.#options.resource;
    const fieldSelector = this.#fieldSelector;
    return {
      ...(fieldSelector !== '' && { fieldSelector }),
      ...(labelSelector !== '' && { labelSelector }),
    };
  }
}
