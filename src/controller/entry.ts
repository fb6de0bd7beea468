import { LRUCache } from 'lru-cache';
import type { Identity, Ownership } from '../inventory/identity.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { ResolvedEntry } from '../inventory/wire.ts';

/** Those that agents ask for most: services and what talks to everybody. Some 250 bytes each. */
const TEXTS_MAX = 16_384;

/** What is said of an address; undefined when nobody owns it. */
export function entryOf(inventory: Inventory, address: string): ResolvedEntry | undefined {
  const ownership = inventory.ownershipOf(address);
  if (ownership === undefined) return undefined;
  const { identity, ...rest } = ownership;
  return { ...identity, ...rest };
}

/** The same as JSON. An identity is the same object as long as it says the same, so its text is kept. */
export class EntryTexts {
  /** Without their closing brace. */
  readonly #heads = new LRUCache<Identity, string>({ max: TEXTS_MAX });

  textOf({ identity, sinceMs, endedMs, previous }: Ownership): string {
    const since = sinceMs === undefined ? '' : `,"sinceMs":${sinceMs}`;
    const ended = endedMs === undefined ? '' : `,"endedMs":${endedMs}`;
    const before = previous === undefined ? '' : `,"previous":${this.#headOf(previous)}}`;
    return `${this.#headOf(identity)}${since}${ended}${before}}`;
  }

  #headOf(identity: Identity): string {
    let head = this.#heads.get(identity);
    if (head === undefined) {
      head = JSON.stringify(identity).slice(0, -1);
      this.#heads.set(identity, head);
    }
    return head;
  }
}
