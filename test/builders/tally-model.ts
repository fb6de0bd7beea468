import { hasPorts } from '../../src/conntrack/entry.ts';
import { stateSlot } from '../../src/conntrack/state.ts';
import { edgeText, type EdgeCounts } from './edge-reader.ts';
import { TCP, type Flow } from './flow.ts';

interface Known {
  readonly flow: Flow;
  readonly isBaseline: boolean;
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
  #last: Map<string, Known> | undefined;

  /** Flows of a whole dump; an identity that comes again is not counted again. */
  snapshot(flows: readonly Flow[]): { entries: number; edges: Map<string, EdgeCounts> } {
    const isFirst = this.#last === undefined;
    const last = this.#last ?? new Map<string, Known>();
    const now = new Map<string, Known>();
    const edges = new Map<string, Counting>();
    const edgeOf = (flow: Flow) =>
      getOrInsert(edges, edgeNameOf(flow), { opened: 0, closed: 0, active: {} });

    for (const flow of flows) {
      if (now.has(identityOf(flow))) continue;
      const before = last.get(identityOf(flow));
      const isOld = before !== undefined && isSameConnection(before.flow, flow);
      const edge = edgeOf(flow);
      if (!isOld && !isFirst) edge.opened++;
      const slot = stateSlot(flow.protocol, flow.state ?? 0xff, flow.status);
      edge.active[slot] = (edge.active[slot] ?? 0) + 1;
      now.set(identityOf(flow), { flow, isBaseline: isOld ? before.isBaseline : isFirst });
    }
    for (const [identity, { flow, isBaseline }] of last) {
      const after = now.get(identity);
      const edge = edgeOf(flow);
      if (after !== undefined && isSameConnection(flow, after.flow)) continue;
      if (!isBaseline) edge.closed++;
    }
    this.#last = now;
    return { entries: now.size, edges };
  }

  /** Connections in the table that count as neither opened nor closed, by edge. */
  baseline(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { flow, isBaseline } of this.#last?.values() ?? []) {
      const name = edgeNameOf(flow);
      if (isBaseline) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }
}

export function identityOf(flow: Flow): string {
  const { id, zone, protocol, source, destination, sourcePort, destinationPort } = flow;
  return [id, zone, protocol, source, destination, sourcePort, destinationPort].join();
}

export function edgeNameOf(flow: Flow): string {
  const isPorted = hasPorts(flow.protocol);
  return edgeText({
    protocol: flow.protocol,
    source: flow.source,
    destination: flow.destination,
    port: isPorted ? flow.destinationPort : undefined,
    backend: flow.backend,
    backendPort: isPorted ? flow.backendPort : undefined,
    sourceTranslated: flow.replyTo !== flow.source,
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
