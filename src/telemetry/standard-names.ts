import type { Attributes } from '@opentelemetry/api';
import { METRIC } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

/** Whose names an OTLP push tells. */
export const OTLP_NAMES = ['khan', 'standard'] as const;

export type OtlpNames = (typeof OTLP_NAMES)[number];

/**
 * Khan's names in the words of the OpenTelemetry semantic conventions 1.45. What they have no word for
 * gets one in the namespace `khan.`, for a name of one's own in a namespace of theirs may clash with
 * what they add later (semantic conventions, "Naming"). `otel/registry` has the same as data.
 */

/** Where it is not {@link dotted}. */
const METRICS: Readonly<Record<string, string>> = {
  // `khan.connection` is a namespace, and a name should not be both.
  [METRIC.connection.name]: 'khan.connection.opened',
  [METRIC.unresolvedAddresses.name]: 'khan.mapping.unresolved_addresses',
};

/** Undefined is left out; what is not here gets a name by {@link attributeByRule}. */
const ATTRIBUTES: Readonly<Record<string, string | undefined>> = {
  // The resource says it already, as k8s.node.name.
  [ATTRIBUTE.node]: undefined,
  [ATTRIBUTE.sourceAddress]: 'source.address',
  [ATTRIBUTE.sourceNamespace]: 'khan.source.k8s.namespace.name',
  [ATTRIBUTE.sourceZone]: 'khan.source.cloud.availability_zone',
  [ATTRIBUTE.destinationAddress]: 'destination.address',
  [ATTRIBUTE.destinationPort]: 'destination.port',
  [ATTRIBUTE.destinationNamespace]: 'khan.destination.k8s.namespace.name',
  [ATTRIBUTE.destinationZone]: 'khan.destination.cloud.availability_zone',
  [ATTRIBUTE.backendAddress]: 'khan.backend.address',
  [ATTRIBUTE.backendNamespace]: 'khan.backend.k8s.namespace.name',
  [ATTRIBUTE.transport]: 'network.transport',
  [ATTRIBUTE.state]: 'network.connection.state',
  [ATTRIBUTE.reason]: 'error.type',
};

const ENDS: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'destination',
  backend: 'backend',
  leak: 'leak',
};

/**
 * Where it is not conntrack's own in lower case. The standard's states are those of RFC 9293, which one
 * end of a connection has. No two may become one, for the points of two series would have the same
 * attributes: SYN_SENT2 would be syn_received as well, and SCTP has a state of that name itself.
 */
const STATES: Readonly<Record<string, string>> = {
  SYN_RECV: 'syn_received',
  FIN_WAIT: 'fin_wait_1',
  CLOSE: 'closed',
  CLOSED: 'sctp_closed',
};

export function standardMetric(name: string): string {
  return METRICS[name] ?? dotted(name);
}

/** Undefined where the attribute is left out. */
export function standardAttribute(key: string): string | undefined {
  return key in ATTRIBUTES ? ATTRIBUTES[key] : attributeByRule(key);
}

export function standardState(state: string): string {
  return STATES[state] ?? state.toLowerCase();
}

export function standardAttributes(attributes: Attributes): Attributes {
  const standard: Attributes = {};
  for (const [key, value] of Object.entries(attributes)) {
    const name = standardAttribute(key);
    if (name === undefined) continue;
    standard[name] = key === ATTRIBUTE.state ? standardState(String(value)) : value;
  }
  return standard;
}

/** The words before the last name are namespaces: khan_agent_cycle_duration → khan.agent.cycle_duration. */
function dotted(name: string): string {
  return name.replace(/^khan_([a-z]+)_/, 'khan.$1.');
}

/** src_type → khan.source.type; with a dot it is a standard's name already. */
function attributeByRule(key: string): string {
  if (key.includes('.')) return key;
  return `khan.${key.replace(/^(src|dst|backend|leak)_/, (_, end: string) => `${ENDS[end]}.`)}`;
}
