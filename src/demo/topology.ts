/**
 * The cluster of the demo as data: who is where, under which address. A plain routed CNI: each node
 * has a pod CIDR, its first address is the gateway of every pod, nothing is bridged or tunnelled.
 */
import type { Identity } from '../inventory/identity.ts';

export type Family = 'ipv4' | 'ipv6';
export type Addresses = Readonly<Record<Family, string>>;
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export interface Node {
  readonly name: string;
  readonly addresses: Addresses;
  /** The other end of the node's uplink. */
  readonly uplink: Addresses;
  readonly podCidrs: Addresses;
  /** First address of the pod CIDR, on the node's side of every pod's veth pair. */
  readonly gateway: Addresses;
}

/** Somebody who opens and answers connections: a pod, or the world outside. */
export interface Place {
  readonly name: string;
  readonly app?: string;
  /** Name of the node it runs on; nothing outside the cluster has one. */
  readonly node?: string;
  /** Lives in its node's network namespace, under the node's addresses. */
  readonly hostNetwork?: boolean;
  readonly addresses: Addresses;
}

export interface Service {
  readonly name: string;
  readonly transport: 'tcp' | 'udp';
  readonly port: number;
  readonly targetPort: number;
  readonly addresses: Addresses;
  /** Names of pods. */
  readonly backends: readonly string[];
  readonly nodePort?: {
    readonly port: number;
    /** Local: only backends on the entry node, and the client's address is kept. */
    readonly externalTrafficPolicy: 'Cluster' | 'Local';
  };
}

const NAMESPACE = 'shop';

function node(name: string, number: number): Node {
  return {
    name,
    addresses: { ipv4: `192.168.${number}.2`, ipv6: `fd00:192:${number}::2` },
    uplink: { ipv4: `192.168.${number}.1`, ipv6: `fd00:192:${number}::1` },
    podCidrs: { ipv4: `10.1.${number}.0/24`, ipv6: `fd00:10:${number}::/64` },
    gateway: { ipv4: `10.1.${number}.1`, ipv6: `fd00:10:${number}::1` },
  };
}

export const NODES: readonly Node[] = [node('node-a', 1), node('node-b', 2)];

/** All that nodes and pods have; what lies beyond is outside and sees a node's address. */
export const CLUSTER_CIDRS: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ['10.0.0.0/8', '192.168.0.0/16'],
  ipv6: ['fd00::/8'],
};

function pod(app: string, ordinal: number, nodeNumber: number, host: number): Place {
  return {
    name: `${app}-${ordinal}`,
    app,
    node: nodeByNumber(nodeNumber).name,
    addresses: { ipv4: `10.1.${nodeNumber}.${host}`, ipv6: `fd00:10:${nodeNumber}::${host}` },
  };
}

function nodeByNumber(number: number): Node {
  const found = NODES[number - 1];
  if (found === undefined) throw new RangeError(`Cannot find node ${number}: there is none`);
  return found;
}

export const PODS: readonly Place[] = [
  pod('web', 0, 1, 11),
  pod('api', 0, 1, 12),
  pod('cart', 0, 1, 13),
  pod('api', 1, 2, 11),
  pod('db', 0, 2, 12),
  pod('dns', 0, 2, 13),
  pod('worker', 0, 2, 14),
  {
    name: 'monitor-0',
    app: 'monitor',
    node: nodeByNumber(1).name,
    hostNetwork: true,
    addresses: nodeByNumber(1).addresses,
  },
];

/** A client that no inventory knows. */
export const STRANGER: Place = {
  name: 'stranger',
  addresses: { ipv4: '203.0.113.10', ipv6: '2001:db8:113::10' },
};

/** A server in a network that the inventory names by its CIDRs. */
export const PARTNER: Place = {
  name: 'partner',
  addresses: { ipv4: '198.51.100.7', ipv6: '2001:db8:100::7' },
};

const PARTNER_CIDRS: Addresses = { ipv4: '198.51.100.0/24', ipv6: '2001:db8:100::/48' };

export const SERVICES: readonly Service[] = [
  {
    name: 'api',
    transport: 'tcp',
    port: 80,
    targetPort: 8080,
    addresses: { ipv4: '10.96.0.10', ipv6: 'fd00:96::10' },
    backends: ['api-0', 'api-1'],
    nodePort: { port: 30080, externalTrafficPolicy: 'Cluster' },
  },
  {
    name: 'web',
    transport: 'tcp',
    port: 80,
    targetPort: 8080,
    addresses: { ipv4: '10.96.0.20', ipv6: 'fd00:96::20' },
    backends: ['web-0'],
    nodePort: { port: 30081, externalTrafficPolicy: 'Local' },
  },
  {
    name: 'dns',
    transport: 'udp',
    port: 53,
    targetPort: 5353,
    addresses: { ipv4: '10.96.0.53', ipv6: 'fd00:96::53' },
    backends: ['dns-0'],
  },
];

export function place(name: string): Place {
  const found = [...PODS, STRANGER, PARTNER].find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`Cannot find ${name}: the lab has no such place`);
  return found;
}

/** The node that has this address, itself, as a gateway or as that of a pod it runs. */
export function nodeOf(address: string): string | undefined {
  return identities().get(address)?.node;
}

/** Who has which address: what the inventory file of the lab says, and what labels must show. */
export function identities(): ReadonlyMap<string, Identity> {
  const owners = new Map<string, Identity>();
  const own = (addresses: Addresses, identity: Identity) => {
    for (const family of FAMILIES) owners.set(addresses[family], identity);
  };
  for (const { name, addresses, gateway } of NODES) {
    own(addresses, { type: 'node', name, node: name });
    own(gateway, { type: 'gateway', name, node: name });
  }
  for (const { name, addresses } of SERVICES)
    own(addresses, { type: 'service', name, namespace: NAMESPACE, app: name });
  for (const { name, app, node: nodeName, hostNetwork, addresses } of PODS) {
    if (hostNetwork || app === undefined || nodeName === undefined) continue;
    const workload = { kind: 'StatefulSet', name: app };
    own(addresses, { type: 'pod', name, namespace: NAMESPACE, app, node: nodeName, workload });
  }
  own(PARTNER.addresses, { type: 'network', name: PARTNER.name });
  return owners;
}

/** The lab's objects as an inventory file; JSON is YAML. */
export function inventoryFile(): string {
  const inPartner = new Set<string>(FAMILIES.map((family) => PARTNER.addresses[family]));
  const addresses = [...identities()].filter(([address]) => !inPartner.has(address));
  const partner: Identity = { type: 'network', name: PARTNER.name };
  const cidrs = FAMILIES.map((family) => [PARTNER_CIDRS[family], partner] as const);
  return JSON.stringify(
    { addresses: Object.fromEntries(addresses), cidrs: Object.fromEntries(cidrs) },
    undefined,
    2,
  );
}
