import type { Identity } from '../inventory/identity.ts';

/** Who owns the addresses of this node's connections, as far as the agent knows. */
export interface Names {
  /** How the source of identities does; undefined where there is none. */
  readonly mapping: Mapping | undefined;
  /** By canonical text. Returns the same object while the owner says the same of itself. */
  identityOf(address: string): Identity | undefined;
  /**
   * Learns about these addresses, at the latest until the signal is aborted; what comes after that
   * is not lost. Does not reject because the source is away: the last answers stay.
   */
  resolve(addresses: Iterable<string>, options: { readonly signal: AbortSignal }): Promise<void>;
}

export interface Mapping {
  /** The controller answered the last question; undefined where the source is none. */
  readonly up: boolean | undefined;
  /** The controller says that its own source is away, and what it knows may be outdated. */
  readonly stale: boolean;
  /** Addresses of the last resolve() that nobody owns, as far as known now. */
  readonly unresolvedAddresses: number;
  /** Questions that were not answered. */
  readonly failures: number;
  /** When the source answered last, in ms since the epoch; undefined before it did. */
  readonly lastAnswerMs: number | undefined;
}

/** Without a source of identities every address stays an address. */
export const NO_NAMES: Names = {
  mapping: undefined,
  identityOf: () => undefined,
  resolve: async () => {},
};

export function countUnresolved(names: Names, addresses: readonly string[]): number {
  return addresses.filter((address) => names.identityOf(address) === undefined).length;
}
