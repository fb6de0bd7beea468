import { ATTRIBUTE } from '../telemetry/names.ts';
import { addAll, addZeros, type Values } from './measures.ts';
import { keyOf, type Edge, type Labels } from './reading.ts';

export const GROUPINGS = ['edge', 'workload', 'source', 'destination', 'node'] as const;

export type GroupingName = (typeof GROUPINGS)[number];

/** One line of the table. */
export interface Row {
  /** As a person would say it, one for each title of the grouping. */
  readonly names: readonly string[];
  /** What all its edges have in common. */
  readonly labels: Labels;
  readonly values: Values;
}

interface Grouping {
  readonly titles: readonly string[];
  /** The labels that tell rows apart. */
  readonly keep: (labels: Labels) => Labels;
  readonly names: (labels: Labels) => readonly string[];
}

/** The names of the attributes of one end. */
interface End {
  readonly type: string;
  readonly address: string;
  readonly namespace: string;
  readonly app: string;
  readonly name: string;
  readonly workloadKind: string;
  readonly workloadName: string;
}

const SOURCE: End = {
  type: ATTRIBUTE.sourceType,
  address: ATTRIBUTE.sourceAddress,
  namespace: ATTRIBUTE.sourceNamespace,
  app: ATTRIBUTE.sourceApp,
  name: ATTRIBUTE.sourceName,
  workloadKind: ATTRIBUTE.sourceWorkloadKind,
  workloadName: ATTRIBUTE.sourceWorkloadName,
};
const DESTINATION: End = {
  type: ATTRIBUTE.destinationType,
  address: ATTRIBUTE.destinationAddress,
  namespace: ATTRIBUTE.destinationNamespace,
  app: ATTRIBUTE.destinationApp,
  name: ATTRIBUTE.destinationName,
  workloadKind: ATTRIBUTE.destinationWorkloadKind,
  workloadName: ATTRIBUTE.destinationWorkloadName,
};
const PORT = [ATTRIBUTE.destinationPort, ATTRIBUTE.transport];
/** As the page has it. */
const OVERFLOW = ATTRIBUTE.overflow.replaceAll('.', '_');
const OVERFLOW_NAME = '(overflow)';

const BY: Readonly<Record<GroupingName, Grouping>> = {
  edge: {
    titles: ['SOURCE', 'DESTINATION', 'PORT'],
    keep: (labels) =>
      only(labels, [...ownerLabels(labels, SOURCE), ...ownerLabels(labels, DESTINATION), ...PORT]),
    names: (labels) => [ownerName(labels, SOURCE), ownerName(labels, DESTINATION), port(labels)],
  },
  workload: {
    titles: ['WORKLOAD'],
    keep: (labels) => only(labels, workloadLabels(labels, SOURCE)),
    names: (labels) => [workloadName(labels, SOURCE)],
  },
  source: {
    titles: ['SOURCE'],
    keep: (labels) => only(labels, ownerLabels(labels, SOURCE)),
    names: (labels) => [ownerName(labels, SOURCE)],
  },
  destination: {
    titles: ['DESTINATION', 'PORT'],
    keep: (labels) => only(labels, [...ownerLabels(labels, DESTINATION), ...PORT]),
    names: (labels) => [ownerName(labels, DESTINATION), port(labels)],
  },
  node: {
    titles: ['NODE'],
    keep: (labels) => only(labels, [ATTRIBUTE.node]),
    names: (labels) => [labels[ATTRIBUTE.node] ?? '-'],
  },
};

export function titlesOf(by: GroupingName): readonly string[] {
  return BY[by].titles;
}

export function groupBy(by: GroupingName, edges: Iterable<Edge>): readonly Row[] {
  const { keep, names } = BY[by];
  const rows = new Map<string, Row>();
  for (const { labels, values } of edges) {
    const kept = keep(labels);
    const key = keyOf(kept);
    let row = rows.get(key);
    if (row === undefined) {
      row = { names: names(kept), labels: kept, values: {} };
      rows.set(key, row);
    }
    addAll(row.values, values);
  }
  const grouped = [...rows.values()];
  addZeros(grouped.map(({ values }) => values));
  return grouped;
}

function only(labels: Labels, names: readonly string[]): Labels {
  const kept: Record<string, string> = {};
  for (const name of [...names, OVERFLOW]) {
    const value = labels[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** Who has a name has it under all addresses, but a named network is many hosts. */
function ownerLabels(labels: Labels, end: End): readonly string[] {
  const { type, namespace, app, name, address } = end;
  const isOneHost = labels[name] !== undefined && labels[type] !== 'network';
  return isOneHost ? [type, namespace, app, name] : [type, namespace, app, name, address];
}

function workloadLabels(labels: Labels, end: End): readonly string[] {
  const { namespace, app, workloadKind, workloadName: name } = end;
  if (labels[name] !== undefined) return [namespace, workloadKind, name];
  return labels[app] === undefined ? ownerLabels(labels, end) : [namespace, app];
}

function ownerName(labels: Labels, end: End): string {
  const name = labels[end.name];
  const address = labels[end.address];
  if (name !== undefined) {
    // A gateway has the name of its node.
    const kind = labels[end.type] === 'gateway' ? '(gateway)' : undefined;
    const parts = [inNamespace(labels, end, name), kind, address];
    return parts.filter((part) => part !== undefined).join(' ');
  }
  if (address !== undefined) return address;
  const app = labels[end.app];
  return app === undefined ? nobody(labels) : inNamespace(labels, end, app);
}

function workloadName(labels: Labels, end: End): string {
  const name = labels[end.workloadName] ?? labels[end.app];
  return name === undefined ? ownerName(labels, end) : inNamespace(labels, end, name);
}

function inNamespace(labels: Labels, end: End, name: string): string {
  const namespace = labels[end.namespace];
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function nobody(labels: Labels): string {
  return labels[OVERFLOW] === undefined ? '-' : OVERFLOW_NAME;
}

function port(labels: Labels): string {
  return PORT.map((name) => labels[name])
    .filter((part) => part !== undefined)
    .join('/');
}
