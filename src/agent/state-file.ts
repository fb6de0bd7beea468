import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';

/**
 * The file in which the agent keeps its state:
 *
 *     khan agent state 1\n            the format, and its version
 *     ledger 65310\n                  name and length of a block
 *     …65310 bytes…                   its content
 *     5f3a09c1\n                      CRC-32 of all that stands before it in the file
 *     …more blocks…
 *     end 0\n                         without it the file is cut off
 *     0c41d2e7\n
 *
 * Blocks are what others make of them. Numbers in them are in the byte order of the machine: a state
 * never leaves it. A change of what they hold is another version.
 */
const MAGIC = 'khan agent state ';
export const STATE_VERSION = 1;
const END = 'end';
const BLOCK_LINE = /^([a-z0-9.]{1,32}) (\d{1,10})$/;
/** Longest line of the format's own. */
const LINE_BYTES_MAX = 64;
const CRC_DIGITS = 8;
const NEWLINE = 0x0a;

/** Larger ones are neither read nor written: a table of some ten million entries. */
export const STATE_BYTES_MAX = 1024 * 1024 * 1024;

export interface StateBlock {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Why a file cannot be used. */
export class UnusableState extends Error {
  override readonly name = 'UnusableState';
}

/** The blocks of a whole file, as views of it. Throws an UnusableState. */
export function parseState(bytes: Uint8Array<ArrayBuffer>): readonly StateBlock[] {
  // No Buffer, whose slice() is no copy.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks: StateBlock[] = [];
  const head = lineAt(file, 0);
  checkVersion(head);
  let at = head.length + 1;
  let crc = crc32(file.subarray(0, at));
  for (;;) {
    const line = lineAt(file, at);
    const [, name = '', digits = ''] = BLOCK_LINE.exec(line) ?? [];
    const start = at + line.length + 1;
    const end = start + Number(digits);
    if (name === '' || end > file.length) throw damagedAt(at);
    crc = crc32(file.subarray(at, end), crc);
    const found = lineAt(file, end);
    if (found !== hex(crc)) throw damagedAt(at);
    const next = end + found.length + 1;
    crc = crc32(file.subarray(end, next), crc);
    if (name === END) {
      if (next !== file.length || start !== end) throw damagedAt(at);
      return blocks;
    }
    blocks.push({ name, bytes: file.subarray(start, end) });
    at = next;
  }
}

/**
 * Writes a file beside the one at `path`, and puts it in that one's place when it is whole: whoever
 * reads finds one of the two. Synchronous. Disposed of without a commit(), nothing has changed.
 */
export class StateWriter implements Disposable {
  readonly #path: string;
  readonly #temporaryPath: string;
  #file: number | undefined;
  #crc = 0;
  #bytes = 0;

  constructor(path: string) {
    this.#path = path;
    this.#temporaryPath = temporaryPathOf(path);
    this.#file = openSync(this.#temporaryPath, 'w', 0o600);
    this.#write(Buffer.from(`${MAGIC}${STATE_VERSION}\n`));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `parts` are one behind the other what the block holds. */
  block(name: string, ...parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (this.#bytes + length > STATE_BYTES_MAX) {
      throw new Error(`Cannot write a state of more than ${STATE_BYTES_MAX} bytes`);
    }
    this.#write(Buffer.from(`${name} ${length}\n`));
    for (const part of parts) this.#write(part);
    this.#write(Buffer.from(`${hex(this.#crc)}\n`));
  }

  /** What it has written is what the path names from now on, also after a loss of power. */
  commit(): void {
    this.block(END);
    if (this.#file === undefined) throw new Error('Cannot commit a state twice');
    fsyncSync(this.#file);
    this.#close();
    renameSync(this.#temporaryPath, this.#path);
    syncFolder(dirname(this.#path));
  }

  [Symbol.dispose](): void {
    this.#close();
    rmSync(this.#temporaryPath, { force: true });
  }

  #write(bytes: Uint8Array): void {
    if (this.#file === undefined) throw new Error('Cannot write a state that is closed');
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    this.#crc = crc32(bytes, this.#crc);
    this.#bytes += bytes.length;
  }

  #close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A writer that was killed leaves it behind, for the next one to write over. */
function temporaryPathOf(path: string): string {
  return `${path}.new`;
}

/** So that what happened to the names in it is not lost with the power. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function checkVersion(head: string): void {
  if (!head.startsWith(MAGIC)) throw new UnusableState('it is not a state of an agent of khan');
  const version = head.slice(MAGIC.length);
  if (version !== String(STATE_VERSION)) {
    throw new UnusableState(
      `its format is version ${version}, this khan knows version ${STATE_VERSION}`,
    );
  }
}

/** Without its end; '' where none ends within reach. */
function lineAt(file: Uint8Array, start: number): string {
  const end = file.subarray(start, start + LINE_BYTES_MAX).indexOf(NEWLINE);
  return end < 0 ? '' : Buffer.from(file.buffer, file.byteOffset + start, end).toString('latin1');
}

function hex(crc: number): string {
  return crc.toString(16).padStart(CRC_DIGITS, '0');
}

function damagedAt(at: number): UnusableState {
  return new UnusableState(`it is damaged or cut off, at byte ${at}`);
}
