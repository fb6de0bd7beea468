import type { AddressTakeover } from '../../src/connections/snapshot.ts';
import { hasPorts } from '../../src/conntrack/entry.ts';
import { stateSlot } from '../../src/conntrack/state.ts';
import { edgeText, type EdgeCounts } from './edge-reader.ts';
import { TCP, type Flow } from './flow.ts';

interface Known {
  readonly flow: Flow;
  readonly isBaseline: boolean;
  /** See EdgeKey. */
  readonly takeovers: readonly number[];
}

interface Counting {
  opened: number;
  closed: number;
  readonly active: Record<number, number>;
}

const ENDING = new Set([6, 7, 8]);
const BEGINNING = new Set([1, 2, 3, 9]);

/** What Tally promises, said as plainly as possible. */
export class TallyModel {
  /** As of the last dump, and of the one before. */
  #now: Map<string, Known> | undefined;
  #last: Map<string, Known> | undefined;
  #flows: readonly Flow[] = [];
  #takeovers: readonly AddressTakeover[] = [];

  /** Flows of a whole dump; an identity that comes again is not counted again. */
  snapshot(flows: readonly Flow[]): { entries: number; edges: Map<string, EdgeCounts> } {
    this.#last = this.#now;
    const inUse = new Set([...(this.#last?.values() ?? [])].flatMap(({ takeovers }) => takeovers));
    this.#takeovers = this.#takeovers.filter(({ number }) => inUse.has(number));
    this.#flows = flows;
    return this.#count();
  }

  /** The same flows again, those of former owners apart. */
  divide(takeovers: readonly AddressTakeover[]): Map<string, EdgeCounts> {
    this.#takeovers = [...this.#takeovers, ...takeovers].toSorted((a, b) => a.sinceMs - b.sinceMs);
    const addresses = new Set(takeovers.map(({ address }) => address));
    const left: string[] = [];
    for (const [identity, known] of this.#last ?? []) {
      const { source, destination, backend } = known.flow;
      if (![source, destination, backend].some((address) => addresses.has(address))) continue;
      left.push(edgeNameOf(known.flow, known.takeovers));
      this.#last?.set(identity, { ...known, takeovers: this.#takeoversOf(known.flow) });
    }
    const { edges } = this.#count();
    for (const name of left) getOrInsert(edges, name, { opened: 0, closed: 0, active: {} });
    return edges;
  }

  #count(): { entries: number; edges: Map<string, EdgeCounts> } {
    const isFirst = this.#last === undefined;
    const last = this.#last ?? new Map<string, Known>();
    const now = new Map<string, Known>();
    const edges = new Map<string, Counting>();
    const edgeOf = (flow: Flow, takeovers: readonly number[]) =>
      getOrInsert(edges, edgeNameOf(flow, takeovers), { opened: 0, closed: 0, active: {} });

    for (const flow of this.#flows) {
      if (now.has(identityOf(flow))) continue;
      const before = last.get(identityOf(flow));
      const isOld = before !== undefined && isSameConnection(before.flow, flow);
      const takeovers = isOld ? before.takeovers : this.#takeoversOf(flow);
      const edge = edgeOf(flow, takeovers);
      if (!isOld && !isFirst) edge.opened++;
      const slot = stateSlot(flow.protocol, flow.state ?? 0xff, flow.status);
      edge.active[slot] = (edge.active[slot] ?? 0) + 1;
      const isBaseline = isOld ? before.isBaseline : isFirst;
      now.set(identityOf(flow), { flow, isBaseline, takeovers });
    }
    for (const [identity, { flow, isBaseline, takeovers }] of last) {
      const after = now.get(identity);
      const edge = edgeOf(flow, takeovers);
      if (after !== undefined && isSameConnection(flow, after.flow)) continue;
      if (!isBaseline) edge.closed++;
    }
    this.#now = now;
    return { entries: now.size, edges };
  }

  #takeoversOf({ source, destination, backend, start }: Flow): readonly number[] {
    return [source, destination, backend].map(
      (address) =>
        this.#takeovers.find(
          (takeover) =>
            takeover.address === address &&
            start > 0n &&
            start < BigInt(takeover.sinceMs) * 1_000_000n,
        )?.number ?? 0,
    );
  }

  /** Connections in the table that count as neither opened nor closed, by edge. */
  baseline(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { flow, isBaseline, takeovers } of this.#now?.values() ?? []) {
      const name = edgeNameOf(flow, takeovers);
      if (isBaseline) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }
}

export function identityOf(flow: Flow): string {
  const { id, zone, protocol, source, destination, sourcePort, destinationPort } = flow;
  return [id, zone, protocol, source, destination, sourcePort, destinationPort].join();
}

export function edgeNameOf(flow: Flow, takeovers: readonly number[] = []): string {
  const isPorted = hasPorts(flow.protocol);
  return edgeText({
    protocol: flow.protocol,
    source: flow.source,
    destination: flow.destination,
    port: isPorted ? flow.destinationPort : undefined,
    backend: flow.backend,
    backendPort: isPorted ? flow.backendPort : undefined,
    sourceTranslated: flow.replyTo !== flow.source,
    takeovers,
  });
}

function isSameConnection(before: Flow, after: Flow): boolean {
  const wentBack =
    after.protocol === TCP && ENDING.has(before.state ?? 0) && BEGINNING.has(after.state ?? 0);
  return (
    edgeNameOf(before) === edgeNameOf(after) &&
    before.start === after.start &&
    packetsOf(after) >= packetsOf(before) &&
    !wentBack
  );
}

function packetsOf({ packets: [original, reply] }: Flow): bigint {
  return original + reply;
}

function getOrInsert<K, V>(map: Map<K, V>, key: K, value: V): V {
  const found = map.get(key) ?? value;
  map.set(key, found);
  return found;
}
