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
  readonly #tally: Tally;
  readonly #reader = new EdgeReader();

  constructor(seed = 1) {
    this.#tally = new Tally({ seed });
  }

  snapshot(flows: readonly Flow[]) {
    this.failedDump(flows);
    const { baseline, entries, edges } = this.#tally.finish({ takenAtMs: 0 });
    return { baseline, entries, edges: this.#reader.read(edges) };
  }

  /** What the last snapshot's edges are once these addresses were taken over. */
  divide(takeovers: readonly AddressTakeover[]): Map<string, EdgeCounts> {
    return this.#reader.readAgain(this.#tally.divide(takeovers));
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
