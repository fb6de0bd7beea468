import type { Identity } from '../inventory/identity.ts';
import type { Endpoint } from './edge.ts';
import type { Exclusion } from './exclude.ts';

/** Endpoints named between two pauses of {@link EndpointBook.name}. */
const SLICE_ENDPOINTS = 2_000;

export interface SharedEndpoint extends Endpoint {
  /** How many places of edges (source, destination, backend) it fills. */
  uses: number;
  /** The last naming changed its identity or its node. */
  isRenamed: boolean;
  readonly isExcluded: boolean;
}

/** Every address that an edge has now, one object each; an address that no edge has is forgotten. */
export class EndpointBook {
  readonly #exclusion: Exclusion;
  readonly #nodeName: string;
  /** Owner of the addresses of this node's interfaces that nobody else owns. */
  readonly #self: Identity;
  readonly #endpoints = new Map<string, SharedEndpoint>();

  constructor({ exclusion, nodeName }: { exclusion: Exclusion; nodeName: string }) {
    this.#exclusion = exclusion;
    this.#nodeName = nodeName;
    this.#self = { type: 'node', name: nodeName, node: nodeName };
  }

  addresses(): Iterable<string> {
    return this.#endpoints.keys();
  }

  acquire(address: string): SharedEndpoint {
    let endpoint = this.#endpoints.get(address);
    if (endpoint === undefined) {
      const isExcluded = this.#exclusion.hasAddress(address);
      endpoint = {
        address,
        identity: undefined,
        node: undefined,
        uses: 0,
        isRenamed: false,
        isExcluded,
      };
      this.#endpoints.set(address, endpoint);
    }
    endpoint.uses++;
    return endpoint;
  }

  release(endpoint: SharedEndpoint): void {
    endpoint.uses--;
    if (endpoint.uses === 0) this.#endpoints.delete(endpoint.address);
  }

  /** Asks for the owner of every address, and marks those that changed; pauses at every yield. */
  *name(
    identityOf: (address: string) => Identity | undefined,
    localAddresses: ReadonlySet<string>,
  ): Generator<void, void> {
    let named = 0;
    for (const endpoint of this.#endpoints.values()) {
      const isLocal = localAddresses.has(endpoint.address);
      const identity = identityOf(endpoint.address) ?? (isLocal ? this.#self : undefined);
      const node = isLocal ? this.#nodeName : identity?.node;
      endpoint.isRenamed = identity !== endpoint.identity || node !== endpoint.node;
      endpoint.identity = identity;
      endpoint.node = node;
      if (++named % SLICE_ENDPOINTS === 0) yield;
    }
  }
}
