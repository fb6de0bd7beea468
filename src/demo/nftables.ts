/** What kube-proxy does on a node: services by DNAT, masquerade where answers must come back. */
import { CLUSTER_CIDRS, FAMILIES, SERVICES, place } from './topology.ts';
import type { Family, Node, Service } from './topology.ts';

/** Set on packets that a NodePort sends on; kube-proxy uses the same bit. */
const MASQUERADE_MARK = '0x4000';

const IP = { ipv4: 'ip', ipv6: 'ip6' } as const;

function toBackend(service: Service, family: Family, backends: readonly string[]): string {
  const targets = backends.map(
    (name, index) => `${index} : ${place(name).addresses[family]} . ${service.targetPort}`,
  );
  const choice = `numgen inc mod ${backends.length} map { ${targets.join(', ')} }`;
  return `dnat ${IP[family]} to ${choice}`;
}

function clusterIp(service: Service, family: Family): string {
  const { transport, port, addresses, backends } = service;
  const match = `${IP[family]} daddr ${addresses[family]} ${transport} dport ${port}`;
  return `${match} ${toBackend(service, family, backends)}`;
}

function nodePort(service: Service, family: Family, node: Node): string[] {
  const { transport, nodePort: entry, backends } = service;
  if (entry === undefined) return [];
  const match = `${IP[family]} daddr ${node.addresses[family]} ${transport} dport ${entry.port}`;
  if (entry.externalTrafficPolicy === 'Cluster')
    return [`${match} meta mark set ${MASQUERADE_MARK} ${toBackend(service, family, backends)}`];
  const local = backends.filter((name) => place(name).node === node.name);
  return local.length === 0 ? [] : [`${match} ${toBackend(service, family, local)}`];
}

/** A pod that reaches itself through its service must not answer itself past the node. */
function hairpin(family: Family): string {
  const backends = new Set(SERVICES.flatMap((service) => service.backends));
  const pairs = [...backends]
    .map((name) => place(name).addresses[family])
    .map((a) => `${a} . ${a}`);
  return `${IP[family]} saddr . ${IP[family]} daddr { ${pairs.join(', ')} } masquerade`;
}

function toOutside(family: Family, node: Node): string {
  const inside = CLUSTER_CIDRS[family].join(', ');
  const ip = IP[family];
  return `${ip} saddr ${node.podCidrs[family]} ${ip} daddr != { ${inside} } masquerade`;
}

/** The NAT chains also make conntrack register: it sees what is sent, received and forwarded. */
export function nodeRuleset(node: Node): string {
  const services = FAMILIES.flatMap((family) =>
    SERVICES.flatMap((service) => [clusterIp(service, family), ...nodePort(service, family, node)]),
  );
  const masquerades = [
    `meta mark ${MASQUERADE_MARK} masquerade`,
    ...FAMILIES.flatMap((family) => [hairpin(family), toOutside(family, node)]),
  ];
  return `table inet lab {
  chain services {
    ${services.join('\n    ')}
  }
  chain prerouting {
    type nat hook prerouting priority -100
    jump services
  }
  chain output {
    type nat hook output priority -100
    jump services
  }
  chain postrouting {
    type nat hook postrouting priority 100
    ${masquerades.join('\n    ')}
  }
}
`;
}

/** What a NetworkPolicy does to a port that it does not allow: no answer, no refusal. */
export function droppingRuleset(port: number): string {
  return `table inet network_policy {
  chain input {
    type filter hook input priority 0
    tcp dport ${port} drop
  }
}
`;
}
