import type { AddressTakeover } from '../../src/connections/snapshot.ts';
import { Tally } from '../../src/connections/tally.ts';
import { EdgeReader, type EdgeCounts } from './edge-reader.ts';
import { entryOf, type Flow } from './flow.ts';
import type { Timeouts } from '../../src/conntrack/timeouts.ts';

export const NO_TIMEOUTS: Timeouts = {
  tcpEstablished: undefined,
  sctpEstablished: undefined,
  tcpStalled: undefined,
};

/** A tally and somebody who reads what it says. */
export class Counting {
  #tally: Tally;
  #reader = new EdgeReader();

  constructor(seed = 1) {
    this.#tally = new Tally({ seed, followsEvents: true });
  }

  snapshot(flows: readonly Flow[]) {
    this.failedDump(flows);
    return this.finish();
  }

  /** The dump has come to its end. */
  finish() {
    const { edges, ...said } = this.#tally.finish({ takenAtMs: 0 });
    return { ...said, edges: this.#reader.read(edges) };
  }

  /** An event tells that it is about to leave. */
  ending(one: Flow): boolean {
    return this.#tally.addEnding(entryOf(one));
  }

  /** The dump has these, and meanwhile events tell of those. */
  snapshotDuring(flows: readonly Flow[], endings: readonly Flow[]) {
    this.failedDump(flows);
    for (const one of endings) this.ending(one);
    return this.finish();
  }

  /** What the last snapshot's edges are once these addresses were taken over. */
  divide(takeovers: readonly AddressTakeover[]): Map<string, EdgeCounts> {
    return this.#reader.readAgain(this.#tally.divide(takeovers));
  }

  /** All that was known is gone but the columns, and these takeovers. Returns the edges as they are then. */
  restart(takeovers: readonly AddressTakeover[], seed: number): Map<string, EdgeCounts> {
    const columns = this.#tally.columns();
    if (columns === undefined) throw new Error('Cannot restart: no dump came through');
    const kept = columns.map(({ name, bytes }) => ({ name, bytes: bytes.slice() }));
    this.#tally = new Tally({ seed });
    this.#reader = new EdgeReader();
    return this.#reader.read(this.#tally.resume(kept, takeovers));
  }

  /** A dump that does not come to its end. */
  failedDump(flows: readonly Flow[]): void {
    this.#tally.begin(NO_TIMEOUTS);
    for (const one of flows) this.#tally.add(entryOf(one));
  }

  /** All edges as one. */
  totals(flows: readonly Flow[]): { opened: number; closed: number; active: number } {
    return totalsOf(this.snapshot(flows).edges);
  }
}

function totalsOf(edges: Map<string, EdgeCounts>) {
  const totals = { opened: 0, closed: 0, active: 0 };
  for (const { opened, closed, active } of edges.values()) {
    totals.opened += opened;
    totals.closed += closed;
    for (const count of Object.values(active)) totals.active += count;
  }
  return totals;
}
