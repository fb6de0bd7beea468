import { networkInterfaces } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { AddressTakeover, EdgeColumns, Snapshot } from '../connections/snapshot.ts';
import { Tally } from '../connections/tally.ts';
import { ConntrackTable, hashBuckets } from '../conntrack/table.ts';
import { readTimeouts } from '../conntrack/timeouts.ts';
import { canonicalAddress } from '../net/address.ts';
import { NetlinkError } from '../netlink/error.ts';
import { enterNetworkNamespace } from '../netlink/socket.ts';
import { takeSnapshot } from './take-snapshot.ts';

/**
 * The worker thread: it may live in another network namespace than the rest of the process, so it
 * makes synchronous calls only. An asynchronous one would run on a thread of libuv's shared pool.
 */

export interface WorkerSettings {
  /** Path of the network namespace to read; undefined for the process' own. */
  readonly netns: string | undefined;
  /** Random; see hashWords(). */
  readonly seed: number;
}

/** What the worker is asked for: the next snapshot, or the last one again, divided. */
export type WorkerQuestion =
  | { readonly kind: 'take' }
  | { readonly kind: 'divide'; readonly takeovers: readonly AddressTakeover[] };

/** What the worker answers to each question. */
export type WorkerAnswer =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'division'; readonly edges: EdgeColumns }
  | {
      readonly kind: 'failure';
      readonly operation: string;
      /** Name of the errno. */
      readonly code: string;
      readonly message: string;
    };

const { netns, seed }: WorkerSettings = workerData;
let isInside = netns === undefined;
const inputs = {
  table: new ConntrackTable(),
  tally: new Tally({ seed }),
  hashBuckets,
  timeouts: readTimeouts,
  localAddresses,
  now: Date.now,
};

parentPort?.on('message', (question: WorkerQuestion) => {
  const answer = question.kind === 'take' ? take() : divide(question.takeovers);
  parentPort?.postMessage(answer, buffersOf(answer));
});

function take(): WorkerAnswer {
  try {
    if (!isInside && netns !== undefined) {
      enterNetworkNamespace(netns);
      isInside = true;
    }
    return { kind: 'snapshot', snapshot: takeSnapshot(inputs) };
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    const { operation, code, message } = error;
    return { kind: 'failure', operation, code, message };
  }
}

function divide(takeovers: readonly AddressTakeover[]): WorkerAnswer {
  return { kind: 'division', edges: inputs.tally.divide(takeovers) };
}

/** getifaddrs() asks the calling thread's network namespace. */
function localAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.flatMap(({ address }) => canonicalAddress(address) ?? []);
}

function buffersOf(answer: WorkerAnswer): ArrayBuffer[] {
  if (answer.kind === 'failure') return [];
  const { edges } = answer.kind === 'snapshot' ? answer.snapshot : answer;
  return Object.values(edges).map(({ buffer }) => buffer);
}
