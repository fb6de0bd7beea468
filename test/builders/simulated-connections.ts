import { CLOSED, HALF_CLOSED, IDLE, OPENED, activeIn } from '../../src/connections/measure.ts';
import { CLOSED_BY, IDLE_BANDS } from '../../src/connections/signals.ts';
import { SeriesBuilder } from './series.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

/** One connection of a client to a server, as the table shows it. */
export interface SimulatedConnection {
  readonly openedMs: number;
  /** When it leaves the table; never, if it leaks. */
  readonly endMs: number;
  /** Between two packets, keepalives among them. */
  readonly packetEveryMs: number;
  /** In place of these. */
  readonly idleMs?: (nowMs: number) => number;
  readonly halfClosedBy?: (typeof CLOSED_BY)[number];
}

const BAND_ENDS_MS = [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS, Infinity];

/** The connections of one series over simulated time. */
export class SimulatedConnections {
  #now = 0;
  #all: SimulatedConnection[] = [];
  #opened = 0;
  #closed = 0;

  get nowMs(): number {
    return this.#now;
  }

  get size(): number {
    return this.#all.length;
  }

  advance(nowMs: number): void {
    this.#now = nowMs;
    this.#keep(({ endMs }) => endMs > nowMs);
  }

  open(connection: Partial<SimulatedConnection> = {}): void {
    const busy = { openedMs: this.#now, endMs: Infinity, packetEveryMs: 1000 };
    this.#all.push({ ...busy, ...connection });
    this.#opened++;
  }

  /** Closes the oldest ones. */
  close(count: number): void {
    let left = count;
    this.#keep(() => left-- <= 0);
  }

  /** What a snapshot says of them now. */
  show(series: SeriesBuilder): void {
    this.advance(this.#now);
    const bands = IDLE_BANDS.map(() => 0);
    const halfClosed = CLOSED_BY.map(() => 0);
    for (const connection of this.#all) {
      const { halfClosedBy } = connection;
      if (halfClosedBy === undefined) {
        const idleMs = idleMsOf(connection, this.#now);
        bands[BAND_ENDS_MS.findIndex((endMs) => idleMs < endMs)]! += 1;
      } else {
        halfClosed[CLOSED_BY.indexOf(halfClosedBy)]! += 1;
      }
    }
    for (const [at, count] of bands.entries()) series.set(IDLE[at]!, count);
    for (const [at, count] of halfClosed.entries()) series.set(HALF_CLOSED[at]!, count);
    const half = halfClosed.reduce((sum, count) => sum + count, 0);
    series.set(activeIn('ESTABLISHED'), this.#all.length - half);
    series.set(activeIn('CLOSE_WAIT'), half);
    series.set(OPENED, this.#opened);
    series.set(CLOSED, this.#closed);
  }

  #keep(stays: (connection: SimulatedConnection) => boolean): void {
    const before = this.#all.length;
    this.#all = this.#all.filter(stays);
    this.#closed += before - this.#all.length;
  }
}

function idleMsOf({ openedMs, packetEveryMs, idleMs }: SimulatedConnection, nowMs: number): number {
  if (idleMs !== undefined) return idleMs(nowMs);
  const ageMs = nowMs - openedMs;
  return Number.isFinite(packetEveryMs) ? ageMs % packetEveryMs : ageMs;
}
