/** Per node; the last addresses, free at first, fall to the first nodes beside theirs. */
export const PODS_PER_NODE = 30;
/** Deployments, each of pods / APPS replicas. */
const APPS = 500;
const NAMESPACES = 50;
/** Of the pods: addresses beyond theirs. The one that is free for the longest is used again first. */
const FREE_SHARE = 0.02;
/** A prime: from replica to replica over all apps and nodes. */
const STRIDE = 7919;

/** A pod that has an address, or had it last. */
export interface Pod {
  /** The place in its deployment that it fills: its app follows from it. */
  readonly replica: number;
  /** No two pods have the same. */
  readonly serial: number;
  /** The number of its address. */
  readonly slot: number;
}

/**
 * The pods of a cluster in which pods are replaced one after the other, every second time by the
 * rolling restart of one deployment after the other, in between anywhere. What is replaced, and by
 * what, follows from how many have been: whoever knows that number has the same table.
 */
export class PodTable {
  readonly pods: number;
  readonly nodes: number;
  readonly #slotOf: Int32Array;
  /** By slot, of its last pod; -1 where there has been none. */
  readonly #replicaAt: Int32Array;
  readonly #serialAt: Int32Array;
  /** A ring: free slots, the next one to use at #replaced. */
  readonly #free: Int32Array;
  #replaced = 0;

  constructor(pods: number) {
    this.pods = pods;
    this.nodes = Math.ceil(pods / PODS_PER_NODE);
    const slots = pods + Math.ceil(pods * FREE_SHARE);
    this.#slotOf = Int32Array.from({ length: pods }, (_, replica) => replica);
    this.#replicaAt = new Int32Array(slots).fill(-1);
    this.#serialAt = new Int32Array(slots).fill(-1);
    this.#replicaAt.set(this.#slotOf);
    this.#serialAt.set(this.#slotOf);
    this.#free = Int32Array.from({ length: slots - pods }, (_, at) => pods + at);
  }

  get replaced(): number {
    return this.#replaced;
  }

  podOf(replica: number): Pod {
    const slot = this.#slotOf[replica] ?? -1;
    return { replica, slot, serial: this.#serialAt[slot] ?? -1 };
  }

  /** Undefined where no pod has been yet; the deleted one until there is another. */
  lastAt(slot: number): Pod | undefined {
    const serial = this.#serialAt[slot] ?? -1;
    return serial < 0 ? undefined : { replica: this.#replicaAt[slot] ?? -1, slot, serial };
  }

  /** The pods that run on a node. */
  *on(node: number): Iterable<Pod> {
    const round = this.nodes * PODS_PER_NODE;
    for (let first = node * PODS_PER_NODE; first < this.#serialAt.length; first += round) {
      for (let slot = first; slot < first + PODS_PER_NODE; slot++) {
        const pod = this.lastAt(slot);
        if (pod !== undefined && this.#slotOf[pod.replica] === slot) yield pod;
      }
    }
  }

  /** Deletes the pod whose turn it is; another one takes its place, elsewhere. */
  replaceNext(): { readonly old: Pod; readonly next: Pod } {
    const turn = this.#replaced++;
    const replica = turn % 2 === 0 ? this.#restarting(turn / 2) : (turn * STRIDE) % this.pods;
    const old = this.podOf(replica);
    const at = turn % this.#free.length;
    const next = { replica, slot: this.#free[at] ?? -1, serial: this.pods + turn };
    this.#free[at] = old.slot;
    this.#slotOf[replica] = next.slot;
    this.#replicaAt[next.slot] = replica;
    this.#serialAt[next.slot] = next.serial;
    return { old, next };
  }

  nodeOf({ slot }: Pod): number {
    return Math.floor(slot / PODS_PER_NODE) % this.nodes;
  }

  /** The replicas of app 0 in their order, then those of app 1, … */
  #restarting(step: number): number {
    const apps = Math.min(APPS, this.pods);
    const perApp = Math.floor(this.pods / apps);
    return (Math.floor(step / perApp) % apps) + (step % perApp) * apps;
  }
}

export function addressOf(slot: number): string {
  return `10.${128 + (slot >> 16)}.${(slot >> 8) & 255}.${slot & 255}`;
}

export function nodeAddress(node: number): string {
  return `172.16.${node >> 8}.${node & 255}`;
}

export function serviceAddress(service: number): string {
  return `172.20.${service >> 8}.${service & 255}`;
}

export function appOf({ replica }: Pod): string {
  return `app-${replica % APPS}`;
}

export function podName(pod: Pod): string {
  return `${appOf(pod)}-6d4f9c7b8-${pod.serial}`;
}

export function namespaceOf({ replica }: Pod): string {
  return `team-${replica % NAMESPACES}`;
}
