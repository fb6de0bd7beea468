import type { Identity } from '../../src/inventory/identity.ts';
import {
  addressOf,
  namespaceOf,
  nodeAddress,
  podName,
  serviceAddress,
  type Pod,
  type PodTable,
} from './pod-table.ts';

const SERVICES_PER_NODE = 2;
/** A quarter of the nodes has 51 peers or fewer, half of them 71, one in a hundred 1,800 or more. */
const PEERS_MIN = 40;
const PEERS_MAX = 2000;
const PARETO_SHAPE = 1.2;
const NODE_PEERS = 8;
/** A closed connection stays in TIME_WAIT for so long: nf_conntrack_tcp_timeout_time_wait. */
const TIME_WAIT_MS = 120_000;
/** Of the golden ratio: its multiples fill the unit interval evenly. */
const GOLDEN = 0.6180339887498949;

type Owner = Pick<Identity, 'type' | 'name' | 'namespace' | 'node'>;

/** An address in the connection tracking table of a node, and who has it; undefined where nobody does. */
export interface Endpoint {
  readonly address: string;
  readonly owner: Owner | undefined;
}

/** The pods of a cluster over time, as somebody sees them who has connections with them. */
export class Cluster {
  readonly table: PodTable;
  /** By replica: the address that it had before, and when it lost that. */
  readonly #moved = new Map<number, { readonly slot: number; readonly atMs: number }>();

  constructor(table: PodTable) {
    this.table = table;
  }

  /** Replaces pods until so many have been. */
  advance(replaced: number, nowMs: number): void {
    while (this.table.replaced < replaced) {
      const { old } = this.table.replaceNext();
      this.#moved.set(old.replica, { slot: old.slot, atMs: nowMs });
    }
  }

  /** The slots in which connections with a replica are: the present one, and the one before for a while. */
  *slotsOf(replica: number, nowMs: number): Iterable<number> {
    yield this.table.podOf(replica).slot;
    const moved = this.#moved.get(replica);
    if (moved !== undefined && nowMs - moved.atMs < TIME_WAIT_MS) yield moved.slot;
  }
}

/**
 * The addresses in the table of one node: itself, its own pods, and its peers. How many of those there
 * are is heavy-tailed (Pareto), and so is who they are: few replicas and services are peers of nearly
 * all nodes. A fifth of the peers are services, a tenth are addresses outside that nobody owns, the
 * rest are pods. A peer that is replaced stays for as long as TIME_WAIT does, beside the new one. All
 * of it follows from the node's number.
 */
export class NodeTable {
  readonly #node: number;
  readonly #cluster: Cluster;
  readonly #peers: readonly number[];
  readonly #others: readonly Endpoint[];

  constructor(node: number, cluster: Cluster) {
    this.#node = node;
    this.#cluster = cluster;
    const { pods, nodes } = cluster.table;
    const fraction = (at: number) => (((node + 1) * 7919 + at) * GOLDEN) % 1;
    // The popular come first.
    const oneOf = (count: number, at: number) => Math.floor(count * fraction(at) ** 3);
    const size = Math.min(
      PEERS_MAX,
      Math.floor(PEERS_MIN * (1 - (((node + 1) * GOLDEN) % 1)) ** (-1 / PARETO_SHAPE)),
    );
    this.#peers = [...new Set(several(0.7 * size).map((at) => oneOf(pods, at)))];
    const services = several(0.2 * size).map((at) => oneOf(SERVICES_PER_NODE * nodes, at));
    const nodePeers = several(NODE_PEERS).map((at) => Math.floor(nodes * fraction(at)));
    const outside = several(0.1 * size).map((at) => Math.floor(65_536 * fraction(at)));
    this.#others = [
      ...[...new Set([node, ...nodePeers])].map(nodeEndpoint),
      ...[...new Set(services)].map(serviceEndpoint),
      ...[...new Set(outside)].map(outsideEndpoint),
    ];
  }

  endpoints(nowMs: number): readonly Endpoint[] {
    const { table } = this.#cluster;
    const slots = new Set([...table.on(this.#node)].map(({ slot }) => slot));
    for (const replica of this.#peers) {
      for (const slot of this.#cluster.slotsOf(replica, nowMs)) slots.add(slot);
    }
    const pods = [...slots].map((slot) => ({
      address: addressOf(slot),
      owner: podOwner(table, table.lastAt(slot)),
    }));
    return [...pods, ...this.#others];
  }
}

function podOwner(table: PodTable, pod: Pod | undefined): Owner | undefined {
  if (pod === undefined) return undefined;
  const node = `node-${table.nodeOf(pod)}`;
  return { type: 'pod', name: podName(pod), namespace: namespaceOf(pod), node };
}

function nodeEndpoint(node: number): Endpoint {
  const name = `node-${node}`;
  return { address: nodeAddress(node), owner: { type: 'node', name, node: name } };
}

function serviceEndpoint(service: number): Endpoint {
  const owner = { type: 'service', name: `svc-${service}`, namespace: 'team-0' } as const;
  return { address: serviceAddress(service), owner };
}

/** TEST-NET-2 and TEST-NET-3 are too small: a network for benchmarks (RFC 2544). */
function outsideEndpoint(number: number): Endpoint {
  return { address: `198.18.${number >> 8}.${number & 255}`, owner: undefined };
}

function several(count: number): readonly number[] {
  return Array.from({ length: Math.floor(count) }, (_, at) => at);
}
