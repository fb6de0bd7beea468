/**
 * From what the generator did to what khan must show: which node's table each connection stands in,
 * under which labels, and who counts it for the cluster. Nothing here comes from khan's own code
 * that decides the same; only the names of its metric and attributes do.
 */
import { METRIC } from '../telemetry/metric-names.ts';
import { ATTRIBUTE, ORIGINAL } from '../telemetry/names.ts';
import type { Sample } from '../telemetry/samples.ts';
import { identities, nodeOf, place } from './topology.ts';
import { type Truth, openNow } from './traffic.ts';

/** A connection as one node's table shows it. */
interface Observation {
  readonly node: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
  readonly transport: string;
  readonly primary: boolean;
}

type Labels = Readonly<Record<string, string>>;

export interface Row {
  /** The node whose agent counts, or the cluster: the sum over all agents of what is primary. */
  readonly scope: string;
  /** Base attributes that have a value; without the node, and without primary for the cluster. */
  readonly edge: Labels;
  /** Connections opened, by the generator's own record. */
  readonly expected: number;
  /** Connections opened, by khan. */
  readonly counted: number;
  readonly equal: boolean;
}

export const CLUSTER = 'cluster';

/** Names of pods, and the port of the server. */
interface LeakingEdge {
  readonly client: string;
  readonly server: string;
  readonly port: number;
}

/** Connections open now on that edge, over both families. */
interface Leak extends LeakingEdge {
  readonly expected: number;
  readonly counted: number;
  readonly equal: boolean;
}

export interface Comparison {
  readonly equal: boolean;
  readonly rows: readonly Row[];
  readonly leak: Leak;
}

const OPENED_SAMPLE = `${METRIC.connection.name}_total`;
const ACTIVE_SAMPLE = METRIC.connectionActive.name;
/** The base attributes that belong to an edge wherever it is counted. */
const EDGE_LABELS: readonly string[] = ORIGINAL.labels.filter(
  (label) => label !== ATTRIBUTE.node && label !== ATTRIBUTE.state,
);

/** `samples` are those of all agents. */
export function compare({
  truth,
  samples,
  leak: leakingEdge,
}: {
  readonly truth: readonly Truth[];
  readonly samples: readonly Sample[];
  readonly leak: LeakingEdge;
}): Comparison {
  const rows = compareOpened(truth, samples);
  const leak = compareOpen(leakingEdge, truth, samples);
  return { equal: leak.equal && rows.every(({ equal }) => equal), rows, leak };
}

/**
 * Every node's table and the cluster-wide sum, edge by edge. What khan shows and the generator
 * never did is a row as well, with 0 expected.
 */
function compareOpened(truth: readonly Truth[], samples: readonly Sample[]): readonly Row[] {
  const counts = new Counts();
  for (const each of truth) {
    for (const observation of observations(each))
      counts.add('expected', labelsOf(observation), each.opened);
  }
  for (const { name, labels, value } of samples) {
    if (name === OPENED_SAMPLE && value !== 0) counts.add('counted', labels, value);
  }
  return counts.rows();
}

/** Both sides of each row, by the text of its scope and edge. */
class Counts {
  readonly #rows = new Map<string, Omit<Row, 'equal'>>();

  add(side: 'expected' | 'counted', labels: Labels, count: number): void {
    const primary = labels[ATTRIBUTE.primary] ?? '';
    const edge = Object.fromEntries(
      EDGE_LABELS.flatMap((name) => (labels[name] ? [[name, labels[name]]] : [])),
    );
    this.#add(side, labels[ATTRIBUTE.node] ?? '', { ...edge, primary }, count);
    if (primary === 'true') this.#add(side, CLUSTER, edge, count);
  }

  #add(side: 'expected' | 'counted', scope: string, edge: Labels, count: number): void {
    const key = JSON.stringify([scope, edge]);
    const row = this.#rows.get(key) ?? { scope, edge, expected: 0, counted: 0 };
    this.#rows.set(key, { ...row, [side]: row[side] + count });
  }

  rows(): readonly Row[] {
    const inOrder = [...this.#rows].toSorted(([a], [b]) => a.localeCompare(b));
    return inOrder.map(([, row]) => ({ ...row, equal: row.expected === row.counted }));
  }
}

/** Open connections of one client to one server and port: what leaks when it only grows. */
function compareOpen(
  { client, server, port }: LeakingEdge,
  truth: readonly Truth[],
  samples: readonly Sample[],
): Leak {
  const expected = truth
    .filter((each) => each.client === client && each.seen?.server === server && each.port === port)
    .reduce((sum, each) => sum + openNow(each), 0);
  const counted = samples
    .filter(
      ({ name, labels }) =>
        name === ACTIVE_SAMPLE &&
        labels[ATTRIBUTE.sourceName] === client &&
        labels[ATTRIBUTE.destinationName] === server &&
        labels[ATTRIBUTE.destinationPort] === String(port) &&
        labels[ATTRIBUTE.primary] === 'true' &&
        labels[ATTRIBUTE.state] === 'ESTABLISHED',
    )
    .reduce((sum, { value }) => sum + value, 0);
  return { client, server, port, expected, counted, equal: expected === counted };
}

/**
 * The first table is the client's node's, or for a client from outside that of the node it turned
 * to. If the server is on another node, it stands in that one's table too, as the server saw it:
 * after NAT. Its source there is a pod or an address of the first node, so the first counts it.
 */
function observations(truth: Truth): readonly Observation[] {
  const { client, source, destination, port, transport, seen } = truth;
  const first = place(client).node ?? nodeOf(destination);
  if (first === undefined) return [];
  const last = seen === undefined ? nodeOf(destination) : place(seen.server).node;
  const asMeant = { node: first, source, destination, port, transport, primary: true };
  if (last === undefined || last === first) return [asMeant];
  const asSeen = {
    source: seen?.source ?? source,
    destination: seen?.destination ?? destination,
    port: seen?.port ?? port,
  };
  return [asMeant, { node: last, ...asSeen, transport, primary: false }];
}

function labelsOf({ node, source, destination, port, transport, primary }: Observation): Labels {
  const owners = identities();
  const from = owners.get(source);
  const to = owners.get(destination);
  return {
    [ATTRIBUTE.node]: node,
    [ATTRIBUTE.sourceType]: from?.type ?? '',
    [ATTRIBUTE.sourceAddress]: source,
    [ATTRIBUTE.sourceNamespace]: from?.namespace ?? '',
    [ATTRIBUTE.sourceApp]: from?.app ?? '',
    [ATTRIBUTE.sourceName]: from?.name ?? '',
    [ATTRIBUTE.destinationType]: to?.type ?? '',
    [ATTRIBUTE.destinationAddress]: destination,
    [ATTRIBUTE.destinationNamespace]: to?.namespace ?? '',
    [ATTRIBUTE.destinationApp]: to?.app ?? '',
    [ATTRIBUTE.destinationName]: to?.name ?? '',
    [ATTRIBUTE.destinationPort]: port === undefined ? '' : String(port),
    [ATTRIBUTE.transport]: transport,
    [ATTRIBUTE.primary]: String(primary),
  };
}
