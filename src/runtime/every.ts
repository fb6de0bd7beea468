import { setTimeout as delayUntil } from 'node:timers/promises';

interface Options {
  /** Asked for after each tick; another period is another grid, from the beat of that tick on. */
  readonly periodMs: number | (() => number);
  /** Between the first two ticks, at most the period: moves the grid. */
  readonly firstPeriodMs?: number;
  readonly signal: AbortSignal;
  readonly tick: (signal: AbortSignal) => Promise<void>;
  /** Gets what a tick threw, unless it threw because of the signal. What this throws ends it all. */
  readonly onError: (error: unknown) => void;
  /** Is told when a tick begins. */
  readonly pulse?: Pulse;
  /** Milliseconds on a clock that never steps back. */
  readonly now?: () => number;
  /** Rejects when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Ticks at once and then on each beat of a fixed grid, so that delays never add up. Ticks never
 * overlap: one that overruns skips the beats it missed. One that fails does not stop the next.
 * Ends when the signal has aborted and the running tick has settled.
 */
export async function every({
  periodMs,
  firstPeriodMs,
  signal,
  tick,
  onError,
  pulse,
  now = monotonicMs,
  delay = abortableDelay,
}: Options): Promise<void> {
  const askPeriodMs = typeof periodMs === 'number' ? () => periodMs : periodMs;
  const setMs = askPeriodMs();
  let beatMs = now() - setMs + (firstPeriodMs ?? setMs);
  while (!signal.aborted) {
    pulse?.beat();
    try {
      await tick(signal);
    } catch (error) {
      if (!isAbort(error, signal)) onError(error);
    }
    const nextMs = askPeriodMs();
    beatMs += nextMs * Math.max(1, Math.ceil((now() - beatMs) / nextMs));
    try {
      await delay(Math.max(0, beatMs - now()), signal);
    } catch (error) {
      if (!isAbort(error, signal)) throw error;
    }
  }
}

/** When the last tick began: a loop lives whose `ageMs` is at most 1.5 periods. */
export class Pulse {
  readonly #now: () => number;
  #beganMs: number;

  constructor({ now = monotonicMs }: { readonly now?: () => number } = {}) {
    this.#now = now;
    this.#beganMs = now();
  }

  beat(): void {
    this.#beganMs = this.#now();
  }

  /** Since the last tick began; before the first one, since this pulse was made. */
  get ageMs(): number {
    return this.#now() - this.#beganMs;
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

function monotonicMs(): number {
  return performance.now();
}

async function abortableDelay(ms: number, signal: AbortSignal): Promise<void> {
  await delayUntil(ms, undefined, { signal });
}
