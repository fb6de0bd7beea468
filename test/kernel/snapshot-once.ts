/**
 * Takes one snapshot as the first thing that this process does, and prints what became of it and of
 * the process' threads. Run: `node test/kernel/snapshot-once.ts [NETNS] [events]`, "" for its own one.
 */
import { lookup } from 'node:dns/promises';
import { readdirSync, readlinkSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { Failure } from '../../src/runtime/failure.ts';

/** More than libuv's pool has threads. */
const POOL_CALLS = 16;

const netns = process.argv[2] === '' ? undefined : process.argv[2];
const home = readlinkSync('/proc/self/ns/net');
await using source = new SnapshotSource({ netns, followsEvents: process.argv[3] === 'events' });
try {
  const { entries, tableEntries, localAddresses } = await source.take();
  const calls = Array.from({ length: POOL_CALLS }, () => readlink('/proc/thread-self/ns/net'));
  const pool = new Set(await Promise.all(calls));
  await lookup('localhost');
  const threads = readdirSync('/proc/self/task').map((id) =>
    readlinkSync(`/proc/self/task/${id}/ns/net`),
  );
  print({
    entries,
    tableEntries,
    localAddresses,
    home,
    pool: [...pool],
    abroad: threads.filter((one) => one !== home),
  });
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  print({ failure: error.message, exitCode: error.exitCode });
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
