import type { Identity, Takeover } from '../inventory/identity.ts';

/** Who owns the addresses of this node's connections, as far as the agent knows. */
export interface Names {
  /** By canonical text. Returns the same object while the owner says the same of itself. */
  identityOf(address: string): Identity | undefined;
  /** By canonical text: the owner is a pod that was deleted or has ended, and nobody has the address now. */
  hasEnded(address: string): boolean;
  /** By canonical text: the addresses that had another owner before, as far as the source remembers. */
  takeovers(): Iterable<readonly [string, Takeover]>;
  /**
   * Learns about these addresses, at the latest until the signal is aborted; what comes after that
   * is not lost. Does not reject because the source is away: the last answers stay.
   */
  resolve(addresses: Iterable<string>, options: { readonly signal: AbortSignal }): Promise<void>;
  /** What was known at `atMs`, as long as there is no answer; where the source is always there, nothing. */
  restore(owners: Iterable<readonly [address: string, Identity]>, atMs: number): void;
}

/** Without a source of identities every address stays an address. */
export const NO_NAMES: Names = {
  identityOf: () => undefined,
  hasEnded: () => false,
  takeovers: () => [],
  resolve: async () => {},
  restore: () => {},
};

export function countUnresolved(names: Names, addresses: readonly string[]): number {
  return addresses.filter((address) => names.identityOf(address) === undefined).length;
}
