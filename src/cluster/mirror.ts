import { objectMeta } from './object-meta.ts';
import type { Resource, Sink } from './resource.ts';

interface Options<Kept> {
  readonly resource: Resource<Kept>;
  readonly sink: Sink<Kept>;
  /** Gets why an object could not be taken in. */
  readonly onRejected: (error: unknown) => void;
}

/** Makes a sink equal to the objects of one kind, and remembers no more of them than their UIDs. */
export class Mirror<Kept> {
  readonly #options: Options<Kept>;
  /** UID by key of all objects in the sink. */
  readonly #uids = new Map<string, string>();
  /** Keys of a list that is not whole yet. */
  #listed: Set<string> | undefined;

  constructor(options: Options<Kept>) {
    this.#options = options;
  }

  get size(): number {
    return this.#uids.size;
  }

  /** One object that nobody understands must not cost all the others: it is rejected. */
  put(object: unknown): void {
    const { resource, sink } = this.#options;
    this.#guarded(() => {
      const { uid, key } = objectMeta(object);
      this.#listed?.add(key);
      const known = this.#uids.get(key);
      // Its name was given again, and nobody said that the former object had gone.
      if (known !== undefined && known !== uid) this.#remove(key, known);
      const kept = resource.keep(object);
      if (kept === undefined) {
        this.#remove(key, uid);
      } else {
        this.#uids.set(key, uid);
        sink.put(uid, kept);
      }
    });
  }

  delete(object: unknown): void {
    this.#guarded(() => {
      const { uid, key } = objectMeta(object);
      if (this.#uids.get(key) === uid) this.#remove(key, uid);
    });
  }

  /** All objects follow; a list that was begun before is void. */
  beginList(): void {
    this.#listed = new Set();
  }

  /** What was not in the list is gone. */
  endList(): void {
    for (const [key, uid] of this.#uids) {
      if (this.#listed?.has(key) !== true) this.#guarded(() => this.#remove(key, uid));
    }
    this.#listed = undefined;
  }

  #remove(key: string, uid: string): void {
    if (this.#uids.delete(key)) this.#options.sink.remove(uid);
  }

  #guarded(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#options.onRejected(error);
    }
  }
}
