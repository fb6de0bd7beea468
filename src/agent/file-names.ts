import type { Identity } from '../inventory/identity.ts';
import { InventoryFile } from '../inventory/file.ts';
import { Inventory } from '../inventory/inventory.ts';
import type { Log } from '../runtime/log.ts';
import type { Mapping } from '../telemetry/mapping-metrics.ts';
import { countUnresolved, type Names } from './names.ts';

interface FileNamesOptions {
  readonly path: string;
  readonly log: Log;
  /** Milliseconds since the epoch, on a clock that does not step. */
  readonly now?: () => number;
}

/** Names from an inventory file, which is read again when it changed. */
export class FileNames implements Names {
  readonly #inventory: Inventory;
  readonly #file: InventoryFile;
  readonly #now: () => number;
  #addresses: readonly string[] = [];
  #lastAnswerMs: number | undefined;

  constructor({
    path,
    log,
    now = () => performance.timeOrigin + performance.now(),
  }: FileNamesOptions) {
    this.#now = now;
    this.#inventory = new Inventory({ now });
    this.#file = new InventoryFile({ path, inventory: this.#inventory, log });
  }

  get mapping(): Mapping {
    return {
      up: undefined,
      stale: !this.#file.isSound,
      unresolvedAddresses: countUnresolved(this, this.#addresses),
      lastAnswerMs: this.#lastAnswerMs,
    };
  }

  identityOf(address: string): Identity | undefined {
    return this.#inventory.identityOf(address);
  }

  /** A file says who is there; who is no longer in it may live on under another name. */
  hasEnded(): boolean {
    return false;
  }

  takeovers(): Iterable<never> {
    return [];
  }

  restore(): void {
    // The file is read before the first snapshot is named.
  }

  /** Rejects with a Failure as long as the file was never read; later the last content stays. */
  async resolve(addresses: Iterable<string>): Promise<void> {
    this.#addresses = [...addresses];
    if (this.#lastAnswerMs === undefined) await this.#file.load();
    else await this.#file.refresh();
    if (this.#file.isSound) this.#lastAnswerMs = this.#now();
  }
}
