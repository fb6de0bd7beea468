import { StateWriter } from './state-file.ts';
import { StateFolder } from './state-folder.ts';

export interface SaveSettings {
  /** Of the directory. */
  readonly path: string;
  /** Of the file that this agent has read or written last; undefined when there was none. */
  readonly stamp: string | undefined;
}

export type SaveResult =
  /** There was nothing to save; what was there stays. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'saved'; readonly bytes: number; readonly stamp: string | undefined }
  /** Somebody else has put a file there. */
  | { readonly kind: 'shared' }
  /** There is no state any more. */
  | { readonly kind: 'failed'; readonly message: string };

interface SavedBlock {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes one state after the other, each in pieces. What cannot be written is no state: the old one
 * goes as well, for it says less than what is published next, and counters that went on from it would
 * fall.
 */
export class StateSaver {
  readonly #folder: StateFolder;
  #stamp: string | undefined;
  #writer: StateWriter | undefined;
  /** That of the first piece which could not be written. */
  #error: unknown;

  constructor({ path, stamp }: SaveSettings) {
    this.#folder = new StateFolder(path);
    this.#stamp = stamp;
  }

  /** Does not throw: finish() tells. */
  write(name: string, ...parts: readonly Uint8Array[]): void {
    if (this.#error !== undefined) return;
    try {
      this.#writer ??= new StateWriter(this.#folder.filePath);
      this.#writer.block(name, ...parts);
    } catch (error) {
      this.#error = error;
    }
  }

  /** With the last blocks; without any, what was written is thrown away. */
  finish(blocks: readonly SavedBlock[] | undefined): SaveResult {
    for (const { name, bytes } of blocks ?? []) this.write(name, bytes);
    using writer = this.#writer;
    const error = this.#error;
    this.#writer = undefined;
    this.#error = undefined;
    if (blocks === undefined) return { kind: 'nothing' };
    try {
      if (error !== undefined) throw error;
      if (writer === undefined) throw new Error('Cannot save a state of nothing');
      if (this.#isShared()) return { kind: 'shared' };
      writer.commit();
      this.#stamp = this.#folder.stamp();
      return { kind: 'saved', bytes: writer.bytes, stamp: this.#stamp };
    } catch (cause) {
      return this.#fail(cause);
    }
  }

  /** One that was deleted is nobody's. */
  #isShared(): boolean {
    const stamp = this.#folder.stamp();
    return stamp !== undefined && stamp !== this.#stamp;
  }

  #fail(cause: unknown): SaveResult {
    const messages = [messageOf(cause)];
    try {
      this.#folder.discard();
    } catch (error) {
      messages.push(`and the last one cannot be deleted: ${messageOf(error)}`);
    }
    return { kind: 'failed', message: messages.join('; ') };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
