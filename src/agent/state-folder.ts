import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import {
  parseState,
  STATE_BYTES_MAX,
  StateWriter,
  syncFolder,
  UnusableState,
  type StateBlock,
} from './state-file.ts';

const FILE_NAME = 'agent.state';
/** Behind the name of a file that could not be used comes when that was found. */
const UNUSABLE_INFIX = '.unusable-';
/** Those found before are deleted. */
const UNUSABLE_FILES_MAX = 3;

/**
 * The directory of `--state-dir`: one file, and beside it the last ones that could not be used, for whoever
 * wants to know why. Synchronous: it is for the start of the agent, and for the worker thread.
 */
export class StateFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get filePath(): string {
    return join(this.#path, FILE_NAME);
  }

  /** Makes the directory where there is none, in one that is there. Throws a Failure when no file can be written in it. */
  open(): void {
    try {
      // Not with its parents: Node goes round in circles where mkdir(2) says ENOENT of the last one (/proc).
      if (!existsSync(this.#path)) mkdirSync(this.#path, { mode: 0o700 });
      using probe = new StateWriter(this.filePath);
      probe.block('probe');
    } catch (cause) {
      throw new Failure(
        `Cannot keep state in ${this.#path}: ${messageOf(cause)}. Is --state-dir right, and may this ` +
          'user write there?',
        { exitCode: EXIT_FAILURE, cause },
      );
    }
  }

  /** Undefined when there is none. Throws an UnusableState. */
  read(): readonly StateBlock[] | undefined {
    let file: Buffer<ArrayBuffer>;
    try {
      const { size } = statSync(this.filePath);
      if (size > STATE_BYTES_MAX) throw new UnusableState(`it has ${size} bytes`);
      file = readFileSync(this.filePath);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error instanceof UnusableState ? error : unreadable(error);
    }
    return parseState(file);
  }

  /** Puts the file out of the way; returns where it is now. */
  setAside(nowMs: number): string {
    const time = new Date(nowMs).toISOString().replaceAll(':', '-');
    const path = `${this.filePath}${UNUSABLE_INFIX}${time}`;
    renameSync(this.filePath, path);
    const prefix = `${FILE_NAME}${UNUSABLE_INFIX}`;
    const found = readdirSync(this.#path).filter((name) => name.startsWith(prefix));
    for (const name of found.toSorted().slice(0, -UNUSABLE_FILES_MAX)) {
      rmSync(join(this.#path, name), { recursive: true, force: true });
    }
    syncFolder(this.#path);
    return path;
  }

  /** What it says is true no longer. */
  discard(): void {
    rmSync(this.filePath, { force: true });
    syncFolder(this.#path);
  }

  /** Tells the file from any that is written after it; undefined when there is none. */
  stamp(): string | undefined {
    const stat = statSync(this.filePath, { bigint: true, throwIfNoEntry: false });
    // A deleted file's inode number may go to the next one.
    return stat === undefined ? undefined : `${stat.ino} ${stat.mtimeNs} ${stat.size}`;
  }
}

function unreadable(cause: unknown): UnusableState {
  return new UnusableState(`it cannot be read: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
