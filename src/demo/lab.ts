/** The demo's cluster, made of network namespaces: two nodes, their pods, and the world outside. */
import { NetworkNamespace } from './namespace.ts';
import { droppingRuleset, nodeRuleset } from './nftables.ts';
import { FAMILIES, NODES, PARTNER, PODS, STRANGER } from './topology.ts';
import type { Addresses, Family, Node, Place } from './topology.ts';

/** A port of the database pod that neither answers nor refuses: a NetworkPolicy drops it. */
export const DROPPED_PORT = 5433;

const OUTSIDE = 'outside';

/** Prefix length of one address alone: every link is a point-to-point veth pair. */
const ALONE: Record<Family, number> = { ipv4: 32, ipv6: 128 };

export class Lab implements AsyncDisposable {
  readonly #namespaces: ReadonlyMap<string, NetworkNamespace>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    namespaces: ReadonlyMap<string, NetworkNamespace>,
    stack: AsyncDisposableStack,
  ) {
    this.#namespaces = namespaces;
    this.#stack = stack;
  }

  static async create({ signal }: { readonly signal: AbortSignal }): Promise<Lab> {
    await using stack = new AsyncDisposableStack();
    const names = [
      OUTSIDE,
      ...NODES.map((node) => node.name),
      ...PODS.filter((pod) => !pod.hostNetwork).map((pod) => pod.name),
    ];
    const namespaces = new Map<string, NetworkNamespace>();
    for (const name of names) {
      signal.throwIfAborted();
      const namespace = stack.use(await NetworkNamespace.create(name));
      await namespace.sysctl({
        // No duplicate address detection, of link-local addresses either.
        'net/ipv6/conf/default/accept_dad': '0',
        'net/ipv6/conf/default/dad_transmits': '0',
      });
      namespaces.set(name, namespace);
    }
    const lab = new Lab(namespaces, stack.move());
    try {
      await lab.#wire();
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
    return lab;
  }

  async #wire(): Promise<void> {
    await outsideUp(this.namespace(OUTSIDE));
    for (const node of NODES)
      await nodeUp(this.namespace(node.name), this.namespace(OUTSIDE), node);
    await Promise.all(
      PODS.map(async (pod) => {
        const node = NODES.find(({ name }) => name === pod.node);
        if (pod.hostNetwork || node === undefined) return;
        await podUp(this.namespaceOf(pod), this.namespace(node.name), pod, node);
      }),
    );
    await this.namespace('db-0').nft(droppingRuleset(DROPPED_PORT));
  }

  namespace(name: string): NetworkNamespace {
    const found = this.#namespaces.get(name);
    if (found === undefined) throw new RangeError(`Cannot find the namespace ${name}: none`);
    return found;
  }

  /** Where a place's sockets live. */
  namespaceOf(place: Place): NetworkNamespace {
    if (place.node === undefined) return this.namespace(OUTSIDE);
    return this.namespace(place.hostNetwork ? place.node : place.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** The outside is also the router between the nodes, and knows their pod CIDRs, as in a cloud. */
async function outsideUp(outside: NetworkNamespace): Promise<void> {
  await forward(outside);
  await outside.ip(
    [STRANGER, PARTNER].flatMap(({ addresses }) =>
      FAMILIES.map((family) => addressAdd(addresses, family, 'lo')),
    ),
  );
}

async function nodeUp(
  namespace: NetworkNamespace,
  outside: NetworkNamespace,
  node: Node,
): Promise<void> {
  await forward(namespace);
  await namespace.ip([`link add eth0 type veth peer name ${node.name} netns ${outside.pid}`]);
  await outside.ip([
    ...FAMILIES.map((family) => addressAdd(node.uplink, family, node.name)),
    `link set ${node.name} up`,
    // Not the router's own address but the stranger's stands on what is sent to a node.
    ...FAMILIES.map(
      (family) =>
        `route add ${alone(node.addresses, family)} dev ${node.name} ` +
        `src ${STRANGER.addresses[family]}`,
    ),
    ...FAMILIES.map((family) => `route add ${node.podCidrs[family]} via ${node.addresses[family]}`),
  ]);
  await namespace.ip(uplink(node.addresses, node.uplink));
  await namespace.nft(nodeRuleset(node));
}

async function podUp(
  namespace: NetworkNamespace,
  nodeNamespace: NetworkNamespace,
  pod: Place,
  node: Node,
): Promise<void> {
  await nodeNamespace.ip([
    `link add ${pod.name} type veth peer name eth0 netns ${namespace.pid}`,
    ...FAMILIES.map((family) => addressAdd(node.gateway, family, pod.name)),
    `link set ${pod.name} up`,
    ...FAMILIES.map((family) => `route add ${alone(pod.addresses, family)} dev ${pod.name}`),
  ]);
  await namespace.ip(uplink(pod.addresses, node.gateway));
}

function uplink(own: Addresses, gateway: Addresses): string[] {
  return [
    ...FAMILIES.map((family) => addressAdd(own, family, 'eth0')),
    'link set eth0 up',
    ...FAMILIES.map((family) => `route add ${alone(gateway, family)} dev eth0`),
    ...FAMILIES.map((family) => `route add default via ${gateway[family]}`),
  ];
}

async function forward(namespace: NetworkNamespace): Promise<void> {
  await namespace.sysctl({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' });
}

/** Without nodad an IPv6 address is no source of a route before a kernel thread has looked at it. */
function addressAdd(addresses: Addresses, family: Family, device: string): string {
  const nodad = family === 'ipv6' ? ' nodad' : '';
  return `address add ${alone(addresses, family)} dev ${device}${nodad}`;
}

function alone(addresses: Addresses, family: Family): string {
  return `${addresses[family]}/${ALONE[family]}`;
}
