/**
 * A thread in the network namespace that is measured. Answers each {@link Wish} with the milliseconds
 * that it took, or with undefined where the kernel has no such thing.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';
import { replaceFifth, type Filling } from './fill-table.ts';

/**
 * `discard`: the floor, dumps the table and throws every message away; `proc`: reads
 * /proc/net/nf_conntrack (CONFIG_NF_CONNTRACK_PROCFS); `replace`: ends a fifth of the entries and
 * begins as many.
 */
export type Wish = 'discard' | 'proc' | 'replace';

export interface TableWorkerData {
  readonly netns: string;
  readonly filling: Filling;
}

const { netns, filling }: TableWorkerData = workerData;
enterNetworkNamespace(netns);
const table = new ConntrackTable();
const discard = () => true;
const buffer = new Uint8Array(1024 * 1024);
let turn = 0;

parentPort?.on('message', (wish: Wish) => {
  const began = performance.now();
  const isDone = obey(wish);
  parentPort?.postMessage(isDone ? performance.now() - began : undefined);
});

function obey(wish: Wish): boolean {
  if (wish === 'proc') return readProc();
  if (wish === 'replace') replaceFifth(filling, turn++);
  else table.dump(discard);
  return true;
}

function readProc(): boolean {
  let file: number;
  try {
    file = openSync('/proc/thread-self/net/nf_conntrack', 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
  while (readSync(file, buffer) > 0) continue;
  closeSync(file);
  return true;
}
