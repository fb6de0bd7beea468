import { RANK, type Claim } from '../inventory/claim.ts';
import type { Identity } from '../inventory/identity.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { parseCidr } from '../net/cidr.ts';
import { claims, type Metadata } from './identify.ts';

/** The fields of a Node (core/v1) that are used. */
interface Node {
  readonly metadata: Metadata;
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[] };
  readonly status?: {
    readonly addresses?: readonly { readonly type?: string; readonly address?: string }[];
  };
}

export interface NodeClaims {
  readonly name: string;
  readonly zone: string | undefined;
  readonly claims: readonly Claim[];
}

const ZONE_LABELS = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'];

/** Where CNIs write down what a node was given; a value may be an address or a CIDR of one address. */
const ANNOTATIONS = {
  /** The node as the others' tunnels reach it. */
  public: ['flannel.alpha.coreos.com/public-ip', 'flannel.alpha.coreos.com/public-ipv6'],
  /** The node as its pods see it. */
  gateway: [
    'network.cilium.io/ipv4-cilium-host',
    'network.cilium.io/ipv6-cilium-host',
    'io.cilium.network.ipv4-cilium-host',
    'io.cilium.network.ipv6-cilium-host',
  ],
  /** The node on its tunnel: what its own processes have as source toward other nodes' pods. */
  network: [
    'projectcalico.org/IPv4IPIPTunnelAddr',
    'projectcalico.org/IPv4VXLANTunnelAddr',
    'projectcalico.org/IPv6VXLANTunnelAddr',
    'projectcalico.org/IPv4WireguardInterfaceAddr',
    'projectcalico.org/IPv6WireguardInterfaceAddr',
  ],
} as const;

export function identifyNode({ metadata, spec = {}, status = {} }: Node): NodeClaims {
  const { name, labels = {}, annotations = {} } = metadata;
  const identity = (type: Identity['type']): Identity => ({ type, name, node: name });
  const announced = (keys: readonly string[]) => keys.map((key) => annotations[key]?.split('/')[0]);
  const addresses = (type: string) =>
    (status.addresses ?? []).filter((each) => each.type === type).map(({ address }) => address);
  return {
    name,
    zone: ZONE_LABELS.map((label) => labels[label]).find((zone) => (zone ?? '') !== ''),
    claims: [
      ...claims(addresses('InternalIP'), { rank: RANK.nodeInternalIp, identity: identity('node') }),
      ...claims([...addresses('ExternalIP'), ...announced(ANNOTATIONS.public)], {
        rank: RANK.nodeExternalIp,
        identity: identity('node'),
      }),
      ...claims(announced(ANNOTATIONS.gateway), {
        rank: RANK.announced,
        identity: identity('gateway'),
      }),
      ...claims(announced(ANNOTATIONS.network), {
        rank: RANK.announced,
        identity: identity('network'),
      }),
      ...(spec.podCIDRs ?? [spec.podCIDR]).flatMap((podCidr) => {
        const [network, gateway] = firstAddresses(podCidr);
        return [
          ...claims([gateway], { rank: RANK.podCidrGateway, identity: identity('gateway') }),
          ...claims([network], { rank: RANK.podCidrNetwork, identity: identity('network') }),
        ];
      }),
    ],
  };
}

/**
 * The first two addresses of a pod CIDR: flannel.1 has the one, the bridge that is the gateway of the
 * node's pods the other. A CIDR that is none has no addresses, and costs the node no others.
 */
function firstAddresses(podCidr: string | undefined): readonly (string | undefined)[] {
  if (podCidr === undefined || !isCidr(podCidr)) return [];
  const [network = '', length] = podCidr.split('/');
  const bytes = parseAddress(network);
  if (bytes === undefined || Number(length) >= 8 * bytes.length) return [];
  // A network address is even: nothing is carried.
  bytes[bytes.length - 1]! += 1;
  return [network, formatAddress(bytes)];
}

function isCidr(text: string): boolean {
  try {
    return parseCidr(text).text !== '';
  } catch {
    return false;
  }
}
