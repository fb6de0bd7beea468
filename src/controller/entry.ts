import type { Inventory } from '../inventory/inventory.ts';
import type { ResolvedEntry } from '../inventory/wire.ts';

/** What is said of an address; undefined when nobody owns it. */
export function entryOf(inventory: Inventory, address: string): ResolvedEntry | undefined {
  const ownership = inventory.ownershipOf(address);
  if (ownership === undefined) return undefined;
  const { identity, ...takeover } = ownership;
  return { ...identity, ...takeover };
}
