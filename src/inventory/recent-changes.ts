/** Of a generation: what changes within a minute or two in a large cluster, and stays in a processor's cache. */
const CHANGES_MAX = 16_384;

/**
 * The addresses whose owner has changed lately. Most questions are whether one has changed since a short
 * time ago, and most have not: these few are a lookup in memory that the processor has at hand.
 */
export class RecentChanges {
  /** Revision of the last change, by address, in the older and the younger of two generations. */
  #older = new Map<string | number, number>();
  #younger = new Map<string | number, number>();
  /** All changes after this revision are in one of both; all after the other one in the younger. */
  #olderSince = 0;
  #youngerSince = 0;

  /** Revisions only grow. */
  note(address: string | number, revision: number): void {
    if (this.#younger.size === CHANGES_MAX) {
      this.#older = this.#younger;
      this.#olderSince = this.#youngerSince;
      this.#younger = new Map();
      this.#youngerSince = revision - 1;
    }
    this.#younger.set(address, revision);
  }

  /** Undefined when it was too long ago. */
  hasChanged(address: string | number, since: number): boolean | undefined {
    if (since < this.#olderSince) return undefined;
    const changed = this.#younger.get(address) ?? this.#older.get(address) ?? 0;
    return changed > since;
  }
}
