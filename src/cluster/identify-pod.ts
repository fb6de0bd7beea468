import { RANK, type Claim } from '../inventory/claim.ts';
import type { Identity } from '../inventory/identity.ts';
import { claims, namedIn, timeMs, type Metadata } from './identify.ts';
import { workloadOf, type OwnerReference } from './workload.ts';

/** The fields of a Pod (core/v1) that are used. */
interface Pod {
  readonly metadata: Metadata & { readonly ownerReferences?: readonly OwnerReference[] };
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip?: string }[];
    readonly hostIP?: string;
    readonly hostIPs?: readonly { readonly ip?: string }[];
    readonly startTime?: string;
  };
}

/** A pod that has ended keeps its status, but its addresses may be another's already. */
const ENDED = new Set<string | undefined>(['Succeeded', 'Failed']);

/** The addresses of a pod's own network; undefined when it has none, or not any more. */
export function identifyPod({
  metadata,
  spec = {},
  status = {},
}: Pod): readonly Claim[] | undefined {
  if (ENDED.has(status.phase) || spec.hostNetwork === true) return undefined;
  const ofNode = new Set([status.hostIP, ...(status.hostIPs ?? []).map(({ ip }) => ip)]);
  const addresses = (status.podIPs ?? [{ ip: status.podIP }]).map(({ ip }) => ip);
  const { nodeName } = spec;
  const workload = workloadOf({
    name: metadata.name,
    labels: metadata.labels ?? {},
    ownerReferences: metadata.ownerReferences ?? [],
    node: nodeName,
    createdAtMs: timeMs(metadata.creationTimestamp),
  });
  const identity: Identity = {
    type: 'pod',
    ...namedIn(metadata),
    ...(nodeName !== undefined && { node: nodeName }),
    ...(workload !== undefined && { workload }),
  };
  const startedAtMs = timeMs(status.startTime);
  const found = claims(
    addresses.filter((ip) => !ofNode.has(ip)),
    {
      rank: RANK.pod,
      identity,
      ...(metadata.deletionTimestamp !== undefined && { deleting: true }),
      ...(startedAtMs !== undefined && { startedAtMs }),
    },
  );
  return found.length === 0 ? undefined : found;
}
