/**
 * From what the generator did to what khan must show: which node's table each connection stands in,
 * under which labels, and who counts it for the cluster. Nothing here comes from khan's own code
 * that decides the same; only the names of its metric and attributes do.
 */
import { ATTRIBUTE, METRIC } from '../telemetry/names.ts';
import type { Sample } from './page.ts';
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

const OPENED_SAMPLE = `${METRIC.connection.name}_total`;
const ACTIVE_SAMPLE = METRIC.connectionActive.name;
/** The base attributes that belong to an edge wherever it is counted. */
const EDGE_LABELS: readonly string[] = [
  ATTRIBUTE.sourceType,
  ATTRIBUTE.sourceAddress,
  ATTRIBUTE.sourceNamespace,
  ATTRIBUTE.sourceApp,
  ATTRIBUTE.sourceName,
  ATTRIBUTE.destinationType,
  ATTRIBUTE.destinationAddress,
  ATTRIBUTE.destinationNamespace,
  ATTRIBUTE.destinationApp,
  ATTRIBUTE.destinationName,
  ATTRIBUTE.destinationPort,
  ATTRIBUTE.transport,
];

/**
 * Every node's table and the cluster-wide sum, edge by edge. What khan shows and the generator never
 * did is a row as well, with 0 expected.
 */
export function compareOpened(truth: readonly Truth[], samples: readonly Sample[]): readonly Row[] {
  const expected = new Tally();
  for (const each of truth) {
    for (const seen of observations(each)) expected.add(labelsOf(seen), each.opened);
  }
  const counted = new Tally();
  for (const { name, labels, value } of samples) {
    if (name === OPENED_SAMPLE && value !== 0) counted.add(labels, value);
  }
  const keys = new Set([...expected.sums.keys(), ...counted.sums.keys()]);
  return [...keys].toSorted().map((key) => {
    const [scope, edge] = JSON.parse(key) as [string, Labels];
    const should = expected.sums.get(key) ?? 0;
    const is = counted.sums.get(key) ?? 0;
    return { scope, edge, expected: should, counted: is, equal: should === is };
  });
}

/** Open connections of one client to one server and port over TCP: what is leaking when it only grows. */
export function compareOpen(
  edge: { readonly client: string; readonly server: string; readonly port: number },
  truth: readonly Truth[],
  samples: readonly Sample[],
): Pick<Row, 'expected' | 'counted' | 'equal'> {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const expected = truth
    .filter(({ client, seen, port }) => client === edge.client && seen?.server === edge.server && port === edge.port)
    .map(openNow);
  const counted = samples
    .filter(({ name }) => name === ACTIVE_SAMPLE)
    .filter(
      ({ labels }) =>
        labels[ATTRIBUTE.sourceName] === edge.client &&
        labels[ATTRIBUTE.destinationName] === edge.server &&
        labels[ATTRIBUTE.destinationPort] === String(edge.port) &&
        labels[ATTRIBUTE.primary] === 'true' &&
        labels[ATTRIBUTE.state] === 'ESTABLISHED',
    )
    .map(({ value }) => value);
  const [should, is] = [sum(expected), sum(counted)];
  return { expected: should, counted: is, equal: should === is };
}

/** Sums by the JSON of scope and edge. */
class Tally {
  readonly sums = new Map<string, number>();

  add(labels: Labels, count: number): void {
    const primary = labels[ATTRIBUTE.primary] ?? '';
    const edge = Object.fromEntries(
      EDGE_LABELS.flatMap((name) => (labels[name] ? [[name, labels[name]]] : [])),
    );
    this.#add([labels[ATTRIBUTE.node] ?? '', { ...edge, primary }], count);
    if (primary === 'true') this.#add([CLUSTER, edge], count);
  }

  #add(key: readonly [string, Labels], count: number): void {
    const text = JSON.stringify(key);
    this.sums.set(text, (this.sums.get(text) ?? 0) + count);
  }
}

/**
 * The first table is the client's node's, or for a client from outside that of the node it turned
 * to. A server on another node stands in that one's table too, as the server saw it: after NAT. What
 * stands there comes from a pod or a node of the first node, so it is the first that counts it.
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
