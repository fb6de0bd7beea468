import type { EventReport } from '../connections/snapshot.ts';
import type { Drained, EventVisitor } from '../conntrack/events.ts';
import { NetlinkError } from '../netlink/error.ts';

/**
 * More than the socket's buffer holds, so that all that was told by the end of a dump is received before
 * it is counted; and an end, for somebody may tell faster than we listen.
 */
const DATAGRAMS_MAX = 65_536;
const PAUSE_MS_MIN = 30_000;
const PAUSE_MS_MAX = 16 * 60_000;
/** Since the end of a pause, after which the next one is short again. */
const CALM_MS = 10 * 60_000;

/** The table's events, as long as it is open. */
export interface EventSocket extends Disposable {
  drain(visit: EventVisitor, options: { readonly datagramsMax: number }): Drained;
}

/** How long a connection lasted; refresh() is called before each dump. */
interface DurationSource {
  refresh(): void;
  of(entry: Uint32Array): number | undefined;
}

export interface EventFollowerOptions {
  readonly open: () => EventSocket;
  /** False when there is no room for it. */
  readonly addEnding: (entry: Uint32Array, lastedMs: number | undefined) => boolean;
  readonly durations: DurationSource;
  readonly areEventsOff: () => boolean;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/**
 * Hands the ends of entries to the tally while it can keep up. When some were lost it stops for a while,
 * longer each time, for to go on would cost the node most when it has least to give; until then there
 * are the snapshots, which need no events.
 */
export class EventFollower implements Disposable {
  readonly #options: EventFollowerOptions;
  readonly #visit: EventVisitor;
  #socket: EventSocket | undefined;
  #hasNoRoom = false;
  #pauseMs = 0;
  #pausedUntilMs = Number.NEGATIVE_INFINITY;
  #toldAtMs: number;
  #received = 0;
  #malformed = 0;
  #overflows = 0;
  #pausedMs = 0;

  constructor(options: EventFollowerOptions) {
    this.#options = options;
    this.#toldAtMs = options.now();
    this.#visit = (entry) => {
      if (!options.addEnding(entry, options.durations.of(entry))) this.#hasNoRoom = true;
    };
  }

  /** Before a dump: what begins while it goes on must be told of. Throws a NetlinkError. */
  prepare(): void {
    if (this.#socket === undefined && this.#options.now() >= this.#pausedUntilMs) {
      this.#tellTime();
      this.#socket = this.#options.open();
    }
    this.#options.durations.refresh();
    this.drain();
  }

  /** Receives what waits. */
  drain(): void {
    if (this.#socket === undefined) return;
    try {
      const drained = this.#socket.drain(this.#visit, { datagramsMax: DATAGRAMS_MAX });
      this.#received += drained.received;
      this.#malformed += drained.malformed;
      if (drained.overflowed || this.#hasNoRoom) this.#pause();
    } catch (error) {
      // Whatever is wrong with the socket, events are lost; the next one may be better.
      if (!(error instanceof NetlinkError)) throw error;
      this.#pause();
    }
  }

  /** What has happened since the last report. */
  report(): EventReport {
    this.#tellTime();
    const areEventsOff = this.#options.areEventsOff();
    const report = {
      isFollowing: this.#socket !== undefined && !areEventsOff,
      areEventsOff,
      received: this.#received,
      malformed: this.#malformed,
      overflows: this.#overflows,
      pausedMs: this.#pausedMs,
    };
    this.#received = this.#malformed = this.#overflows = this.#pausedMs = 0;
    return report;
  }

  [Symbol.dispose](): void {
    this.#socket?.[Symbol.dispose]();
    this.#socket = undefined;
  }

  #pause(): void {
    this.#tellTime();
    this[Symbol.dispose]();
    const nowMs = this.#options.now();
    const isCalm = nowMs - this.#pausedUntilMs > CALM_MS;
    this.#pauseMs = isCalm ? PAUSE_MS_MIN : Math.min(this.#pauseMs * 2, PAUSE_MS_MAX);
    this.#pausedUntilMs = nowMs + this.#pauseMs;
    this.#hasNoRoom = false;
    this.#overflows++;
  }

  /** Up to now it followed, or did not. */
  #tellTime(): void {
    const nowMs = this.#options.now();
    if (this.#socket === undefined) this.#pausedMs += nowMs - this.#toldAtMs;
    this.#toldAtMs = nowMs;
  }
}
