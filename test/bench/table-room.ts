import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants, readFileSync, writeFileSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashBuckets } from '../../src/conntrack/table.ts';
import { EXIT_FAILURE, Failure } from '../../src/runtime/failure.ts';
import { counted } from './suite-step.ts';

const LIMIT = '/proc/sys/net/netfilter/nf_conntrack_max';
const NAME = 'net.netfilter.nf_conntrack_max of the host';
const GUARD = [
  '--import',
  join(import.meta.dirname, '../../src/demo/end-with-parent.ts'),
  join(import.meta.dirname, 'limit-guard.ts'),
];
/** An entry is in the hash table with its original and with its reply. */
const TUPLES_PER_ENTRY = 2;
/** On average; then none has the 50 from which on the kernel may refuse another one (MIN_CHAINLEN). */
const TUPLES_PER_BUCKET_MAX = 16;
/** Once a table has been full, the kernel drops entries early from this part of its limit on. */
const FULL_AT = 0.95;
/** The kernel takes 384 to 512 of them; the rest is for those who read the table. */
const BYTES_AN_ENTRY = 1024;
const EXIT_CONFLICT = 75;

/** A raised limit, as the file that holds it says it. */
export interface Raised {
  readonly file: string;
  readonly before: number;
  readonly limit: number;
}

interface Host {
  /** Where its nf_conntrack_max is. */
  readonly file?: string;
  /** Of its hash table; undefined where that is hidden. */
  readonly buckets?: number | undefined;
}

/** Why a table cannot have so many entries here; undefined where it can, with a limit that is raised. */
export async function lackOfRoom(
  entries: number,
  { file = LIMIT, buckets = hashBuckets() }: Host = {},
): Promise<string | undefined> {
  if (buckets !== undefined && tuplesPerBucket(entries, buckets) > TUPLES_PER_BUCKET_MAX) {
    return (
      `they would be ${tuplesPerBucket(entries, buckets).toFixed(1)} in each of the host's ` +
      `${counted(buckets)} hash buckets, and the kernel may refuse the 50th in one.`
    );
  }
  const limit = readLimit(file);
  if (entries <= limit) return undefined;
  // Not so in another network or user namespace: the kernel knows.
  const mayRaise = await access(file, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!mayRaise) {
    return (
      `${NAME}, which is the limit of every network namespace, is ${counted(limit)}, ` +
      'and may not be raised from here.'
    );
  }
  const needed = entries * BYTES_AN_ENTRY;
  const available = await availableBytes();
  if (needed <= available) return undefined;
  return `they and their readers need ${inMegabytes(needed)} of memory, ${inMegabytes(available)} are there.`;
}

/**
 * Raises the limit of all tables where so many entries need it, until it is disposed of or this process
 * ends, however it ends. Throws a Failure where that cannot be.
 */
export async function roomFor(entries: number, host: Host = {}): Promise<AsyncDisposable> {
  const { file = LIMIT } = host;
  const lack = await lackOfRoom(entries, host);
  if (lack !== undefined)
    throw failure(`Cannot fill a table with ${counted(entries)} entries: ${lack}`);
  const room = new AsyncDisposableStack();
  if (entries <= readLimit(file)) return room;
  const limit = Math.ceil(entries / FULL_AT);
  const { guard, before } = await startGuard(file, limit);
  room.defer(async () => {
    if (await isEndedInOrder(guard)) return;
    // Somebody has killed it.
    putBack({ file, before, limit });
  });
  return room;
}

export function tuplesPerBucket(entries: number, buckets: number): number {
  return (TUPLES_PER_ENTRY * entries) / buckets;
}

/** Unless somebody else has changed it meanwhile. */
export function putBack({ file, before, limit }: Raised): void {
  const now = readLimit(file);
  if (now === limit) {
    writeFileSync(file, String(before));
    say(`put back to ${counted(readLimit(file))}`);
  } else if (now !== before) {
    say(`stays at ${counted(now)}: somebody else has changed it`);
  }
}

/** Infinity where conntrack is not there yet: whoever uses it first brings it. */
export function readLimit(file: string): number {
  try {
    return Number.parseInt(readFileSync(file, 'latin1'), 10);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Infinity;
    throw error;
  }
}

export function say(what: string): void {
  process.stderr.write(`${NAME}: ${what}\n`);
}

async function startGuard(file: string, limit: number) {
  // The lock is of the file whose content it guards: two who raise it would put each other's value back.
  const locked = ['--no-fork', '--nonblock', '--conflict-exit-code', String(EXIT_CONFLICT), file];
  const guard = spawn('flock', [...locked, process.execPath, ...GUARD, file, String(limit)], {
    // What ends a group of processes, as a Ctrl-C does, reaches only us.
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const before = await Promise.race([
    once(guard, 'message').then(([value]) => Number(value)),
    once(guard, 'exit').then(([code]) => {
      const why = code === EXIT_CONFLICT ? 'another benchmark has' : `exit ${code}`;
      throw failure(`Cannot raise ${NAME}: ${why}`);
    }),
  ]);
  return { guard, before };
}

async function isEndedInOrder(guard: ChildProcess): Promise<boolean> {
  if (guard.exitCode === null && guard.signalCode === null) {
    const ended = once(guard, 'exit');
    if (guard.connected) guard.disconnect();
    await ended;
  }
  return guard.exitCode === 0;
}

/** proc_meminfo(5). */
async function availableBytes(): Promise<number> {
  const kilobytes = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

function inMegabytes(bytes: number): string {
  return `${counted(Math.round(bytes / 1e6))} MB`;
}

function failure(message: string): Failure {
  return new Failure(message, { exitCode: EXIT_FAILURE });
}
