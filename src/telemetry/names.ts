/** Every attribute name of khan, once: as much an interface as those of metrics in metric-names.ts. */

import { METRIC } from './metric-names.ts';

/** The instrumentation scope of everything khan measures. */
export const SCOPE_NAME = 'khan';

export const ATTRIBUTE = {
  node: 'node',
  sourceType: 'src_type',
  sourceAddress: 'src_ip',
  sourceNamespace: 'src_ns',
  sourceApp: 'src_app',
  sourceName: 'src_name',
  destinationType: 'dst_type',
  destinationAddress: 'dst_ip',
  destinationNamespace: 'dst_ns',
  destinationApp: 'dst_app',
  destinationName: 'dst_name',
  destinationPort: 'dst_port',
  transport: 'transport',
  primary: 'primary',
  backendType: 'backend_type',
  backendAddress: 'backend_ip',
  backendPort: 'backend_port',
  backendNamespace: 'backend_ns',
  backendApp: 'backend_app',
  backendName: 'backend_name',
  sourceWorkloadKind: 'src_workload_kind',
  sourceWorkloadName: 'src_workload_name',
  destinationWorkloadKind: 'dst_workload_kind',
  destinationWorkloadName: 'dst_workload_name',
  sourceZone: 'src_zone',
  destinationZone: 'dst_zone',
  state: 'state',
  idle: 'idle',
  closedBy: 'closed_by',
  /** Of khan_connection_oldest: the kernel told when it began; else it is at least so old. */
  exact: 'exact',
  direction: 'direction',
  /** Of {@link LEAK_EVENT}. */
  leakState: 'leak_state',
  leakReason: 'leak_reason',
  leakScore: 'leak_score',
  /** Connections a minute. */
  leakRate: 'leak_rate',
  leakSince: 'leak_since',
  leakOpen: 'leak_open',
  leakIdleShare: 'leak_idle_share',
  leakHalfClosedShare: 'leak_half_closed_share',
  /** Of khan_agent_cycles and khan_agent_push_requests: `success` or `failure`. */
  result: 'result',
  /** Of khan_mapping_failures. */
  reason: 'reason',
  /** Metrics SDK specification, "Overflow attribute". */
  overflow: 'otel.metric.overflow',
  /** Of the resource; still incubating in the semantic conventions. */
  hostName: 'host.name',
} as const;

/** Of every connection metric, whatever is chosen beside them; `primary` cannot be left out and is not here. */
export const BASE_ATTRIBUTES = [
  ATTRIBUTE.node,
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
] as const;

/** The page of the original project, GET /khan: its one metric and its labels, in its order. */
export const ORIGINAL = {
  name: 'khan_connection',
  description: METRIC.connectionActive.description,
  labels: [...BASE_ATTRIBUTES, ATTRIBUTE.state],
} as const;
