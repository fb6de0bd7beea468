import type { Attributes } from '@opentelemetry/api';
import type { Edge } from '../connections/edge.ts';
import { TRANSPORTS } from '../connections/transport.ts';
import { ATTRIBUTE } from './names.ts';

/**
 * The base attributes of an edge, in the order of the page. What has no value is left out: in PromQL
 * the same as an empty label, in OTLP the only way to say "none".
 */
export function connectionAttributes(edge: Edge, nodeName: string): Attributes {
  const { source, destination } = edge;
  return withValues([
    [ATTRIBUTE.node, nodeName],
    [ATTRIBUTE.sourceType, source.identity?.type],
    [ATTRIBUTE.sourceAddress, source.address],
    [ATTRIBUTE.sourceNamespace, source.identity?.namespace],
    [ATTRIBUTE.sourceApp, source.identity?.app],
    [ATTRIBUTE.sourceName, source.identity?.name],
    [ATTRIBUTE.destinationType, destination.identity?.type],
    [ATTRIBUTE.destinationAddress, destination.address],
    [ATTRIBUTE.destinationNamespace, destination.identity?.namespace],
    [ATTRIBUTE.destinationApp, destination.identity?.app],
    [ATTRIBUTE.destinationName, destination.identity?.name],
    [ATTRIBUTE.destinationPort, edge.port],
    [ATTRIBUTE.transport, TRANSPORTS.get(edge.protocol) ?? String(edge.protocol)],
    [ATTRIBUTE.primary, edge.primary],
  ]);
}

/** What all edges above series-max share. `primary` stays apart: sums over the cluster rest on it. */
export function overflowAttributes(nodeName: string, primary: boolean): Attributes {
  return {
    [ATTRIBUTE.overflow]: true,
    [ATTRIBUTE.node]: nodeName,
    [ATTRIBUTE.primary]: primary,
  };
}

function withValues(pairs: readonly (readonly [string, Attributes[string]])[]): Attributes {
  const attributes: Attributes = {};
  for (const [key, value] of pairs) {
    if (value !== undefined) attributes[key] = value;
  }
  return attributes;
}
