import { RATES } from './measures.ts';
import type { Reading } from './reading.ts';

/**
 * Rates between the last two snapshots of one agent. Its page is read more often than it takes
 * snapshots, and what a page says is as of its snapshot: the time between the two is what counts, not
 * the time between two looks.
 */
export class Rates {
  /** The last page that showed the snapshot before. */
  #base: Reading | undefined;
  #last: Reading | undefined;

  /** Seconds between the two snapshots; undefined while there is only one. */
  get seconds(): number | undefined {
    if (this.#base === undefined || this.#last === undefined) return undefined;
    const seconds =
      ((this.#last.health.takenAtMs ?? Number.NaN) - (this.#base.health.takenAtMs ?? Number.NaN)) /
      1000;
    // Not between two of which one is unknown, nor across a clock that was set back.
    return seconds > 0 ? seconds : undefined;
  }

  /** Puts rates beside the counters of this reading. */
  addTo(reading: Reading): void {
    const last = this.#last;
    if (last !== undefined && last.health.takenAtMs !== reading.health.takenAtMs) {
      this.#base = hasRestarted(last, reading) ? undefined : last;
    }
    // Also of the same snapshot: a counter that was held at 0 (decision 5) may be shown by now.
    this.#last = reading;
    const { seconds } = this;
    if (this.#base === undefined || seconds === undefined) return;
    for (const [key, { values }] of reading.edges) {
      const before = this.#base.edges.get(key)?.values;
      for (const [rate, counter] of RATES) {
        const now = values[counter];
        if (now === undefined) continue;
        const then = before?.[counter] ?? 0;
        // A series that was forgotten and has come back counts from 0.
        values[rate] = (now < then ? now : now - then) / seconds;
      }
    }
  }
}

function hasRestarted(last: Reading, reading: Reading): boolean {
  return (reading.health.cycles ?? 0) < (last.health.cycles ?? 0);
}
