import type { Identity, Takeover } from '../inventory/identity.ts';
import type { Endpoint } from './edge.ts';
import type { Exclusion } from './exclude.ts';
import type { SavedFormerOwner, SavedLedger, SavedOwner } from './saved-ledger.ts';
import type { AddressTakeover } from './snapshot.ts';

/** Endpoints named between two pauses of {@link EndpointBook.name}. */
const SLICE_ENDPOINTS = 2_000;
/** Takeovers whose former owner is remembered; the connections of an older one's have no name. */
const TAKEOVERS_MAX = 4_096;

export interface SharedEndpoint extends Endpoint {
  /** How many places of edges (source, destination, backend) it fills. */
  uses: number;
  /** The last naming changed its identity or its node. */
  isRenamed: boolean;
  readonly isExcluded: boolean;
  /** Of the takeover that ended its owner's time; 0 for the present owner. */
  readonly takeover: number;
  /** Of the present owner's last takeover that takeOver() told of. */
  toldSinceMs: number | undefined;
}

interface FormerOwner {
  readonly identity: Identity;
  /** Until when it had the address. */
  readonly sinceMs: number;
}

/** Who has the addresses now. */
interface Owners {
  readonly identityOf: (address: string) => Identity | undefined;
  readonly hasEnded: (address: string) => boolean;
  /** Of this node's interfaces. */
  readonly localAddresses: ReadonlySet<string>;
}

/**
 * Every address that an edge has now, one object for each of its owners that connections are left of;
 * what no edge has is forgotten. A former owner keeps its name for good.
 */
export class EndpointBook {
  readonly #exclusion: Exclusion;
  readonly #nodeName: string;
  /** Owner of the addresses of this node's interfaces that nobody else owns. */
  readonly #self: Identity;
  /** Of the present owners, by address. */
  readonly #endpoints = new Map<string, SharedEndpoint>();
  /** Of the former owners, by takeover. */
  readonly #former = new Map<number, SharedEndpoint>();
  /** By takeover; the latest last. */
  readonly #formerOwners = new Map<number, FormerOwner>();
  #lastTakeover = 0;

  constructor({ exclusion, nodeName }: { exclusion: Exclusion; nodeName: string }) {
    this.#exclusion = exclusion;
    this.#nodeName = nodeName;
    this.#self = { type: 'node', name: nodeName, node: nodeName };
  }

  addresses(): Iterable<string> {
    return this.#endpoints.keys();
  }

  /** `takeover` as a snapshot's fresh record says it. */
  acquire(address: string, takeover: number): SharedEndpoint {
    const known = takeover === 0 ? this.#endpoints.get(address) : this.#former.get(takeover);
    const endpoint = known ?? this.#create(address, takeover);
    endpoint.uses++;
    return endpoint;
  }

  release(endpoint: SharedEndpoint): void {
    endpoint.uses--;
    if (endpoint.uses > 0) return;
    if (endpoint.takeover === 0) this.#endpoints.delete(endpoint.address);
    else this.#former.delete(endpoint.takeover);
  }

  /** Those of its addresses that it has not told of before, each with a number; there is no other way to get one. */
  takeOver(takeovers: Iterable<readonly [string, Takeover]>): readonly AddressTakeover[] {
    const told: AddressTakeover[] = [];
    for (const [address, { sinceMs, previous }] of takeovers) {
      const endpoint = this.#endpoints.get(address);
      if (endpoint === undefined || previous === undefined || endpoint.toldSinceMs === sinceMs) {
        continue;
      }
      endpoint.toldSinceMs = sinceMs;
      const number = ++this.#lastTakeover;
      this.#formerOwners.set(number, { identity: previous, sinceMs });
      told.push({ number, address, sinceMs });
    }
    for (const number of this.#formerOwners.keys()) {
      if (this.#formerOwners.size <= TAKEOVERS_MAX) break;
      this.#formerOwners.delete(number);
    }
    return told;
  }

  /** Whoever is told of takeovers has forgotten them all. */
  forgetTold(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.toldSinceMs = undefined;
  }

  get lastTakeover(): number {
    return this.#lastTakeover;
  }

  *owners(): Generator<SavedOwner> {
    for (const { address, identity } of this.#endpoints.values()) {
      if (identity !== undefined) yield { address, identity };
    }
  }

  /** Those with edges, in the order in which they were told. */
  *formerOwners(): Generator<SavedFormerOwner> {
    for (const [number, { identity, sinceMs }] of this.#formerOwners) {
      const endpoint = this.#former.get(number);
      if (endpoint !== undefined) yield { number, address: endpoint.address, sinceMs, identity };
    }
  }

  /** Only before all else; the present owners come with the naming. */
  restore({
    lastTakeover,
    formerOwners,
  }: Pick<SavedLedger<object>, 'lastTakeover' | 'formerOwners'>) {
    this.#lastTakeover = lastTakeover;
    for (const { number, identity, sinceMs } of formerOwners) {
      this.#formerOwners.set(number, { identity, sinceMs });
    }
  }

  /** Asks for the owner of every address, and marks those that changed; pauses at every yield. */
  *name({ identityOf, hasEnded, localAddresses }: Owners): Generator<void, void> {
    let named = 0;
    for (const endpoint of this.#endpoints.values()) {
      const isLocal = localAddresses.has(endpoint.address);
      const identity = identityOf(endpoint.address) ?? (isLocal ? this.#self : undefined);
      const node = isLocal ? this.#nodeName : identity?.node;
      endpoint.isRenamed = identity !== endpoint.identity || node !== endpoint.node;
      endpoint.identity = identity;
      endpoint.node = node;
      endpoint.hasEnded = !isLocal && hasEnded(endpoint.address);
      if (++named % SLICE_ENDPOINTS === 0) yield;
    }
  }

  #create(address: string, takeover: number): SharedEndpoint {
    const identity = this.#formerOwners.get(takeover)?.identity;
    const endpoint = {
      address,
      identity,
      node: identity?.node,
      hasEnded: takeover !== 0,
      uses: 0,
      isRenamed: false,
      isExcluded: this.#exclusion.hasAddress(address),
      takeover,
      toldSinceMs: undefined,
    };
    if (takeover === 0) this.#endpoints.set(address, endpoint);
    else this.#former.set(takeover, endpoint);
    return endpoint;
  }
}
