import { LRUCache } from 'lru-cache';
import type { Claim } from '../inventory/claim.ts';
import type { Identity } from '../inventory/identity.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { NodeClaims } from './identify-node.ts';
import type { Sink } from './resource.ts';

/** What is kept of each is some 100 bytes; of more, the pods of one workload may have several. */
const WORKLOADS_MAX = 32_768;

type Workload = NonNullable<Identity['workload']>;

/**
 * Takes the claims of all kinds of objects into one inventory, and joins each node's zone to what lives
 * on the node, whichever of the two comes first.
 */
export class ClusterInventory {
  readonly #inventory: Inventory;
  readonly #zones = new Map<string, string>();
  /** UIDs of what lives on a node, by the node's name. */
  readonly #uidsOn = new Map<string, Set<string>>();
  /** Names of nodes by UID. */
  readonly #nodes = new Map<string, string>();
  /** So that the pods of a workload share it. */
  readonly #workloads = new LRUCache<string, Workload>({ max: WORKLOADS_MAX });

  constructor({ inventory }: { readonly inventory: Inventory }) {
    this.#inventory = inventory;
  }

  /** Pods, services, EndpointSlices: whatever is no node. */
  readonly owners: Sink<readonly Claim[]> = {
    put: (uid, claims) => this.#put(uid, claims),
    remove: (uid) => this.#remove(uid),
  };

  readonly nodes: Sink<NodeClaims> = {
    put: (uid, { name, zone, claims }) => {
      this.#nodes.set(uid, name);
      this.#setZone(name, zone);
      this.#put(uid, claims);
    },
    remove: (uid) => {
      this.#remove(uid);
      const name = this.#nodes.get(uid);
      this.#nodes.delete(uid);
      // A node of the same name may have come back under another UID.
      if (name !== undefined && ![...this.#nodes.values()].includes(name)) {
        this.#setZone(name, undefined);
      }
    },
  };

  #put(uid: string, claims: readonly Claim[]): void {
    this.#leave(uid);
    const node = nodeOf(claims);
    if (node !== undefined) {
      const uids = this.#uidsOn.get(node) ?? new Set();
      this.#uidsOn.set(node, uids.add(uid));
    }
    this.#inventory.put(uid, this.#inZone(claims));
  }

  #remove(uid: string): void {
    this.#leave(uid);
    this.#inventory.remove(uid);
  }

  #leave(uid: string): void {
    const node = nodeOf(this.#inventory.claimsOf(uid));
    if (node === undefined) return;
    const uids = this.#uidsOn.get(node);
    uids?.delete(uid);
    if (uids?.size === 0) this.#uidsOn.delete(node);
  }

  #setZone(node: string, zone: string | undefined): void {
    if (this.#zones.get(node) === zone) return;
    if (zone === undefined) this.#zones.delete(node);
    else this.#zones.set(node, zone);
    for (const uid of this.#uidsOn.get(node) ?? []) {
      this.#inventory.put(uid, this.#inZone(this.#inventory.claimsOf(uid)));
    }
  }

  #inZone(claims: readonly Claim[]): readonly Claim[] {
    const node = nodeOf(claims);
    const zone = node === undefined ? undefined : this.#zones.get(node);
    // The addresses of a pod share its identity, and go on doing so.
    const placed = new Map(claims.map(({ identity }) => [identity, this.#place(identity, zone)]));
    return claims.map((claim) => ({ ...claim, identity: placed.get(claim.identity)! }));
  }

  #place(identity: Identity, zone: string | undefined): Identity {
    const { topologyZone: _, workload, ...rest } = identity;
    return {
      ...rest,
      ...(workload !== undefined && { workload: this.#shared(workload) }),
      ...(zone !== undefined && { topologyZone: zone }),
    };
  }

  #shared(workload: Workload): Workload {
    const key = `${workload.kind}/${workload.name}`;
    const known = this.#workloads.get(key);
    if (known === undefined) this.#workloads.set(key, workload);
    return known ?? workload;
  }
}

/** All claims of one object are on one node, or on none. */
function nodeOf(claims: readonly Claim[]): string | undefined {
  return claims[0]?.identity.node;
}
