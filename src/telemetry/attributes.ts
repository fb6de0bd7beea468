import type { Attributes } from '@opentelemetry/api';
import type { Edge } from '../connections/edge.ts';
import { TRANSPORTS } from '../connections/transport.ts';
import { addressText, WHOLE_ADDRESS, type ExternalPrefix } from './external-prefix.ts';
import { ATTRIBUTE, BASE_ATTRIBUTES } from './names.ts';

type Pair = readonly [name: string, value: Attributes[string]];

/** What can be added to the base attributes. */
const GROUPS = {
  /** Who really answered behind a service; nothing where the destination answered itself. */
  backend: (edge: Edge, { externalPrefix }: AttributeChoice): readonly Pair[] => {
    const { backend, backendPort } = edge;
    if (backend.address === edge.destination.address && backendPort === edge.port) return [];
    return [
      [ATTRIBUTE.backendType, backend.identity?.type],
      [ATTRIBUTE.backendAddress, addressText(backend, externalPrefix)],
      [ATTRIBUTE.backendPort, backendPort],
      [ATTRIBUTE.backendNamespace, backend.identity?.namespace],
      [ATTRIBUTE.backendApp, backend.identity?.app],
      [ATTRIBUTE.backendName, backend.identity?.name],
    ];
  },
  workload: ({ source, destination }: Edge): readonly Pair[] => [
    [ATTRIBUTE.sourceWorkloadKind, source.identity?.workload?.kind],
    [ATTRIBUTE.sourceWorkloadName, source.identity?.workload?.name],
    [ATTRIBUTE.destinationWorkloadKind, destination.identity?.workload?.kind],
    [ATTRIBUTE.destinationWorkloadName, destination.identity?.workload?.name],
  ],
  topology_zone: ({ source, destination }: Edge): readonly Pair[] => [
    [ATTRIBUTE.sourceZone, source.identity?.topologyZone],
    [ATTRIBUTE.destinationZone, destination.identity?.topologyZone],
  ],
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
  return chosen(choice, [
    [ATTRIBUTE.node, nodeName],
    [ATTRIBUTE.sourceType, source.identity?.type],
    [ATTRIBUTE.sourceAddress, addressText(source, externalPrefix)],
    [ATTRIBUTE.sourceNamespace, source.identity?.namespace],
    [ATTRIBUTE.sourceApp, source.identity?.app],
    [ATTRIBUTE.sourceName, source.identity?.name],
    [ATTRIBUTE.destinationType, destination.identity?.type],
    [ATTRIBUTE.destinationAddress, addressText(destination, externalPrefix)],
    [ATTRIBUTE.destinationNamespace, destination.identity?.namespace],
    [ATTRIBUTE.destinationApp, destination.identity?.app],
    [ATTRIBUTE.destinationName, destination.identity?.name],
    [ATTRIBUTE.destinationPort, edge.port],
    [ATTRIBUTE.transport, TRANSPORTS.get(edge.protocol) ?? String(edge.protocol)],
    [ATTRIBUTE.primary, edge.primary],
    ...groups.flatMap((group) => GROUPS[group](edge, choice)),
  ]);
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
  return chosen(choice, [
    [ATTRIBUTE.overflow, true],
    [ATTRIBUTE.node, nodeName],
    [ATTRIBUTE.primary, primary],
  ]);
}

function chosen({ dropped }: AttributeChoice, pairs: readonly Pair[]): Attributes {
  const attributes: Attributes = {};
  for (const [key, value] of pairs) {
    if (value !== undefined && !dropped.includes(key)) attributes[key] = value;
  }
  return attributes;
}
