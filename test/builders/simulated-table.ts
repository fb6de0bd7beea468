import {
  FRESH,
  FRESH_WORDS,
  NO_PORT,
  STATE_SLOTS,
  type Snapshot,
} from '../../src/connections/snapshot.ts';
import { SIGNAL_SLOTS } from '../../src/connections/signals.ts';
import { parseAddress } from '../../src/net/address.ts';
import { AF_INET, AF_INET6 } from '../../src/netlink/constants.ts';

export interface Route {
  readonly source: string;
  readonly destination: string;
  /** The destination itself where left out, and so on. */
  readonly backend?: string;
  /** TCP where left out. */
  readonly protocol?: number;
  readonly port?: number;
  readonly backendPort?: number;
  readonly sourceTranslated?: boolean;
}

/** What a snapshot's row says, told by the side that knows the truth. */
export interface Row {
  readonly route: Route;
  readonly opened: number;
  readonly closed: number;
  /** State slot of every connection. */
  readonly slots: readonly number[];
}

interface SimulatedEdge {
  readonly route: Route;
  readonly number: number;
  isFresh: boolean;
  opened: number;
  closed: number;
  connections: { readonly slot: number; readonly isCounted: boolean }[];
}

/** A table of connections that is counted the way a tally does it: numbers are used again. */
export class SimulatedTable {
  readonly #edges = new Map<Route, SimulatedEdge>();
  #free: number[] = [];
  #high = 0;
  #isBaseline = true;
  rows: readonly Row[] = [];

  open(route: Route, { count = 1, slot = 3 } = {}): void {
    const edge = this.#edgeOf(route);
    for (let i = 0; i < count; i++) edge.connections.push({ slot, isCounted: !this.#isBaseline });
    if (!this.#isBaseline) edge.opened += count;
  }

  /** The oldest connections end, as many as there are. */
  close(route: Route, { count = 1 } = {}): void {
    const edge = this.#edges.get(route);
    const ended = edge?.connections.splice(0, count) ?? [];
    if (edge) edge.closed += ended.filter(({ isCounted }) => isCounted).length;
  }

  /** A connection that ends before any snapshot holds it. */
  flash(route: Route): void {
    this.open(route);
    const edge = this.#edgeOf(route);
    if (edge.connections.pop()?.isCounted) edge.closed++;
  }

  /** The next snapshot is another baseline. */
  restart(): void {
    const edges = [...this.#edges.values()].filter(({ connections }) => connections.length > 0);
    this.#edges.clear();
    this.#free = [];
    this.#high = 0;
    this.#isBaseline = true;
    for (const { route, connections } of edges) {
      for (const { slot } of connections) this.open(route, { slot });
    }
  }

  snapshot(takenAtMs: number, localAddresses: readonly string[] = []): Snapshot {
    for (const { route, isFresh, opened, connections } of this.#edges.values()) {
      if (isFresh && opened + connections.length === 0) this.#edges.delete(route);
    }
    const edges = [...this.#edges.values()];
    const fresh = edges.filter(({ isFresh }) => isFresh);
    const baseline = this.#isBaseline;
    const snapshot: Snapshot = {
      baseline,
      available: true,
      timestamped: false,
      takenAtMs,
      durationMs: 0,
      entries: edges.reduce((sum, { connections }) => sum + connections.length, 0),
      malformed: 0,
      repeated: 0,
      tableEntries: 0,
      tableLimit: undefined,
      statistics: undefined,
      localAddresses,
      edges: {
        number: Uint32Array.from(edges, ({ number }) => number),
        opened: Uint32Array.from(edges, ({ opened }) => opened),
        closed: Uint32Array.from(edges, ({ closed }) => closed),
        active: Uint32Array.from(edges.flatMap(slotCounts)),
        signals: new Uint32Array(edges.length * SIGNAL_SLOTS),
        oldest: new Float64Array(edges.length),
        traffic: new Float64Array(0),
        fresh: freshRecords(fresh),
      },
    };
    this.rows = edges.map(({ route, opened, closed, connections }) => {
      return { route, opened, closed, slots: connections.map(({ slot }) => slot) };
    });
    this.#endSnapshot(edges);
    return snapshot;
  }

  #endSnapshot(edges: readonly SimulatedEdge[]): void {
    this.#isBaseline = false;
    for (const edge of edges) {
      edge.isFresh = false;
      edge.opened = 0;
      edge.closed = 0;
      if (edge.connections.length > 0) continue;
      this.#edges.delete(edge.route);
      this.#free.push(edge.number);
    }
  }

  #edgeOf(route: Route): SimulatedEdge {
    let edge = this.#edges.get(route);
    if (edge === undefined) {
      const number = this.#free.pop() ?? this.#high++;
      edge = { route, number, isFresh: true, opened: 0, closed: 0, connections: [] };
      this.#edges.set(route, edge);
    }
    return edge;
  }
}

function slotCounts({ connections }: SimulatedEdge): number[] {
  const counts = Array.from({ length: STATE_SLOTS }, () => 0);
  for (const { slot } of connections) counts[slot]!++;
  return counts;
}

function freshRecords(edges: readonly SimulatedEdge[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(edges.length * FRESH_WORDS);
  const bytes = new Uint8Array(words.buffer);
  for (const [at, { number, route }] of edges.entries()) {
    const start = at * FRESH_WORDS;
    const record = {
      [FRESH.number]: number,
      [FRESH.family]: route.source.includes(':') ? AF_INET6 : AF_INET,
      [FRESH.protocol]: route.protocol ?? 6,
      [FRESH.port]: route.port ?? NO_PORT,
      [FRESH.backendPort]: route.backendPort ?? route.port ?? NO_PORT,
      [FRESH.sourceTranslated]: route.sourceTranslated ? 1 : 0,
    };
    for (const [field, value] of Object.entries(record)) words[start + Number(field)] = value;
    const write = (field: number, address: string) =>
      bytes.set(parseAddress(address)!, (start + field) * Uint32Array.BYTES_PER_ELEMENT);
    write(FRESH.source, route.source);
    write(FRESH.destination, route.destination);
    write(FRESH.backend, route.backend ?? route.destination);
  }
  return words;
}
