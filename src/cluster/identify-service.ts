import { RANK, type Claim } from '../inventory/claim.ts';
import type { Identity } from '../inventory/identity.ts';
import { claims, namedIn, type Metadata } from './identify.ts';

/** The fields of a Service (core/v1) that are used. */
interface Service {
  readonly metadata: Metadata;
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[];
    readonly externalIPs?: readonly string[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] };
  };
}

/** The fields of an EndpointSlice (discovery.k8s.io/v1) that are used. */
interface EndpointSlice {
  readonly metadata: Metadata;
  readonly addressType?: string;
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[] | null;
}

/** The service an EndpointSlice belongs to (well-known label). */
const SERVICE_NAME = 'kubernetes.io/service-name';

/** A headless service has the clusterIP `None`, which is no address. */
export function identifyService({ metadata, spec = {}, status = {} }: Service): readonly Claim[] {
  if (spec.type === 'ExternalName') return [];
  const identity: Identity = { type: 'service', ...namedIn(metadata) };
  const ingress = status.loadBalancer?.ingress ?? [];
  return [
    ...claims(spec.clusterIPs ?? [spec.clusterIP], { rank: RANK.serviceClusterIp, identity }),
    ...claims(
      ingress.map(({ ip }) => ip),
      { rank: RANK.loadBalancerIp, identity },
    ),
    ...claims(spec.externalIPs ?? [], { rank: RANK.externalIp, identity }),
  ];
}

/** Endpoints that somebody wrote by hand, such as those of a database outside of the cluster. */
export function identifyEndpointSlice({
  metadata,
  addressType,
  endpoints,
}: EndpointSlice): readonly Claim[] {
  const service = metadata.labels?.[SERVICE_NAME];
  if (service === undefined || addressType === 'FQDN') return [];
  const identity: Identity = { type: 'service', ...namedIn({ ...metadata, name: service }) };
  const addresses = (endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []);
  return claims(addresses, { rank: RANK.endpointSlice, identity });
}
