import type { Inventory } from '../inventory/inventory.ts';
import type { ResolvedEntry } from '../inventory/wire.ts';

/** What is said of an address; undefined when nobody owns it. */
export function entryOf(inventory: Inventory, address: string): ResolvedEntry | undefined {
  const ownership = inventory.ownershipOf(address);
  if (ownership === undefined) return undefined;
  const { identity, sinceMs, previous } = ownership;
  if (sinceMs === undefined && previous === undefined) return identity;
  return {
    ...identity,
    ...(sinceMs !== undefined && { sinceMs }),
    ...(previous !== undefined && { previous }),
  };
}
