import type { Attributes } from '@opentelemetry/api';
import type { Edge } from '../connections/edge.ts';
import { TRANSPORTS } from '../connections/transport.ts';
import { addressText, WHOLE_ADDRESS, type ExternalPrefix } from './external-prefix.ts';
import { ATTRIBUTE, BASE_ATTRIBUTES } from './names.ts';

/** Adds what has a value and is chosen. */
type Put = (name: string, value: Attributes[string]) => void;

/** What can be added to the base attributes. */
const GROUPS = {
  /** Who really answered behind a service; nothing where the destination answered itself. */
  backend: (put: Put, edge: Edge, { externalPrefix }: AttributeChoice): void => {
    const { backend, backendPort } = edge;
    if (backend.address === edge.destination.address && backendPort === edge.port) return;
    put(ATTRIBUTE.backendType, backend.identity?.type);
    put(ATTRIBUTE.backendAddress, addressText(backend, externalPrefix));
    put(ATTRIBUTE.backendPort, backendPort);
    put(ATTRIBUTE.backendNamespace, backend.identity?.namespace);
    put(ATTRIBUTE.backendApp, backend.identity?.app);
    put(ATTRIBUTE.backendName, backend.identity?.name);
  },
  workload: (put: Put, { source, destination }: Edge): void => {
    put(ATTRIBUTE.sourceWorkloadKind, source.identity?.workload?.kind);
    put(ATTRIBUTE.sourceWorkloadName, source.identity?.workload?.name);
    put(ATTRIBUTE.destinationWorkloadKind, destination.identity?.workload?.kind);
    put(ATTRIBUTE.destinationWorkloadName, destination.identity?.workload?.name);
  },
  topology_zone: (put: Put, { source, destination }: Edge): void => {
    put(ATTRIBUTE.sourceZone, source.identity?.topologyZone);
    put(ATTRIBUTE.destinationZone, destination.identity?.topologyZone);
  },
};

export type AttributeGroup = keyof typeof GROUPS;

export const ATTRIBUTE_GROUPS: readonly AttributeGroup[] = ['backend', 'workload', 'topology_zone'];

/** Which attributes an edge is told by; edges that differ in none of them share their series. */
export interface AttributeChoice {
  readonly groups: readonly AttributeGroup[];
  /** Names of {@link DROPPABLE}. */
  readonly dropped: readonly string[];
  readonly externalPrefix: ExternalPrefix;
}

const BASE_CHOICE: AttributeChoice = { groups: [], dropped: [], externalPrefix: WHOLE_ADDRESS };

/** All but `primary`, without which no sum over a cluster is right. */
export const DROPPABLE: readonly string[] = [
  ...BASE_ATTRIBUTES,
  ATTRIBUTE.backendType,
  ATTRIBUTE.backendAddress,
  ATTRIBUTE.backendPort,
  ATTRIBUTE.backendNamespace,
  ATTRIBUTE.backendApp,
  ATTRIBUTE.backendName,
];

const OF_ONE_ADDRESS: readonly string[] = [
  ATTRIBUTE.sourceAddress,
  ATTRIBUTE.sourceName,
  ATTRIBUTE.destinationAddress,
  ATTRIBUTE.destinationName,
];

/**
 * The attributes of an edge: the base ones in the order of the page, then the groups. What has no value
 * is left out: in PromQL the same as an empty label, in OTLP the only way to say "none".
 */
export function connectionAttributes(
  edge: Edge,
  nodeName: string,
  choice: AttributeChoice = BASE_CHOICE,
): Attributes {
  const { source, destination } = edge;
  const { groups, externalPrefix } = choice;
  const [attributes, put] = chosen(choice);
  put(ATTRIBUTE.node, nodeName);
  put(ATTRIBUTE.sourceType, source.identity?.type);
  put(ATTRIBUTE.sourceAddress, addressText(source, externalPrefix));
  put(ATTRIBUTE.sourceNamespace, source.identity?.namespace);
  put(ATTRIBUTE.sourceApp, source.identity?.app);
  put(ATTRIBUTE.sourceName, source.identity?.name);
  put(ATTRIBUTE.destinationType, destination.identity?.type);
  put(ATTRIBUTE.destinationAddress, addressText(destination, externalPrefix));
  put(ATTRIBUTE.destinationNamespace, destination.identity?.namespace);
  put(ATTRIBUTE.destinationApp, destination.identity?.app);
  put(ATTRIBUTE.destinationName, destination.identity?.name);
  put(ATTRIBUTE.destinationPort, edge.port);
  put(ATTRIBUTE.transport, TRANSPORTS.get(edge.protocol) ?? String(edge.protocol));
  put(ATTRIBUTE.primary, edge.primary);
  for (const group of groups) GROUPS[group](put, edge, choice);
  return attributes;
}

/**
 * The same by less: a series of durations is a dozen lines, and addresses and names are what makes edges
 * many.
 */
export function durationAttributes(
  edge: Edge,
  nodeName: string,
  choice: AttributeChoice = BASE_CHOICE,
): Attributes {
  const dropped = [...choice.dropped, ...OF_ONE_ADDRESS];
  return connectionAttributes(edge, nodeName, { ...choice, groups: [], dropped });
}

/** What all edges above series-max share. `primary` stays apart: sums over the cluster rest on it. */
export function overflowAttributes(
  nodeName: string,
  primary: boolean,
  choice: AttributeChoice = BASE_CHOICE,
): Attributes {
  const [attributes, put] = chosen(choice);
  put(ATTRIBUTE.overflow, true);
  put(ATTRIBUTE.node, nodeName);
  put(ATTRIBUTE.primary, primary);
  return attributes;
}

/** Attributes, and what adds to them: a list of pairs for each edge would be more garbage than all else. */
function chosen({ dropped }: AttributeChoice): readonly [Attributes, Put] {
  const attributes: Attributes = {};
  const put: Put = (name, value) => {
    if (value !== undefined && !dropped.includes(name)) attributes[name] = value;
  };
  return [attributes, put];
}
