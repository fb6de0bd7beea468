import type { Log } from '../runtime/log.ts';

/** The controller remembers for five minutes who had an address, and rules look at five minutes. */
const STRETCHED_MS_MAX = 5 * 60_000;
/** Their median counts: one slow cycle changes nothing, a second one in a row does. */
const CYCLES = 3;
/** Of the set share: a cost that moves around it is no news each time. */
const OVER_AT = 0.8;

interface Options {
  readonly setMs: number;
  /** Of one core, 0 to 1; 0: any cost is fine. */
  readonly cpuShareMax: number;
  readonly log: Log;
}

/**
 * The time between two snapshots: as set, and longer while snapshots would take more than their share
 * of a core. Their cost follows the entries of the whole host, which nobody here can choose.
 */
export class PollInterval {
  readonly setMs: number;
  readonly #cpuShareMax: number;
  readonly #log: Log;
  readonly #costsMs: number[] = [];
  #inForceMs: number;
  #isStretched = false;

  constructor({ setMs, cpuShareMax, log }: Options) {
    this.setMs = setMs;
    this.#cpuShareMax = cpuShareMax;
    this.#log = log;
    this.#inForceMs = setMs;
  }

  get inForceMs(): number {
    return this.#inForceMs;
  }

  /** After each cycle, failed ones too: the processor time that it took. */
  note(costMs: number): void {
    if (this.#cpuShareMax === 0) return;
    this.#costsMs.push(costMs);
    if (this.#costsMs.length < CYCLES) return;
    const [, medianMs = 0] = this.#costsMs.toSorted((a, b) => a - b);
    this.#costsMs.shift();
    const neededMs = medianMs / this.#cpuShareMax;
    this.#inForceMs = Math.max(this.setMs, Math.min(neededMs, STRETCHED_MS_MAX));
    this.#tell(neededMs, medianMs);
  }

  #tell(neededMs: number, costMs: number): void {
    const wasStretched = this.#isStretched;
    this.#isStretched = neededMs > this.setMs * (wasStretched ? OVER_AT : 1);
    if (this.#isStretched === wasStretched) return;
    const numbers = {
      cycleCpuMs: Math.round(costMs),
      cpuShareMax: this.#cpuShareMax,
      pollIntervalMs: Math.round(this.#inForceMs),
    };
    if (this.#isStretched) {
      this.#log.warn(
        numbers,
        'Snapshots cost more than --cpu-share-max: they are taken less often',
      );
    } else {
      this.#log.info(numbers, 'Snapshots are taken as often as --poll-interval says again');
    }
  }
}
