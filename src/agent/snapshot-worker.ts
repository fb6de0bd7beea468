import { networkInterfaces } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { RowColumn } from '../connections/entry-rows.ts';
import type { AddressTakeover, EdgeColumns, Snapshot } from '../connections/snapshot.ts';
import { Tally } from '../connections/tally.ts';
import { Durations } from '../conntrack/duration.ts';
import { areEventsOff, ConntrackEvents } from '../conntrack/events.ts';
import { ConntrackTable, hashBuckets } from '../conntrack/table.ts';
import { readTimeouts } from '../conntrack/timeouts.ts';
import { canonicalAddress } from '../net/address.ts';
import { NetlinkError } from '../netlink/error.ts';
import { enterNetworkNamespace } from '../netlink/socket.ts';
import { CpuTime } from '../runtime/cpu-time.ts';
import { EventFollower } from './event-follower.ts';
import { StateSaver, type SaveResult, type SaveSettings } from './state-saver.ts';
import { takeSnapshot } from './take-snapshot.ts';

/**
 * The worker thread: it may live in another network namespace than the rest of the process, so it
 * makes synchronous calls only. An asynchronous one would run on a thread of libuv's shared pool.
 */

export interface WorkerSettings {
  /** Path of the network namespace to read; undefined for the process' own. */
  readonly netns: string | undefined;
  /** The ends of entries are followed beside the snapshots. */
  readonly followsEvents: boolean;
  /** Random; see hashWords(). */
  readonly seed: number;
  /** Undefined where no state is kept. */
  readonly state: SaveSettings | undefined;
}

/**
 * What the worker is asked for: the next snapshot, the last one again, divided, or the edges of a state
 * that it goes on from; to write a block of a state, to which there is no answer, and to write the rest of it.
 */
export type WorkerQuestion =
  | { readonly kind: 'take' }
  | { readonly kind: 'divide'; readonly takeovers: readonly AddressTakeover[] }
  | {
      readonly kind: 'resume';
      readonly columns: readonly RowColumn[];
      readonly takeovers: readonly AddressTakeover[];
    }
  | { readonly kind: 'write'; readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'save' };

/** What the worker answers to each question, and what it took for all since its last answer. */
export type WorkerAnswer = Answer & { readonly cpuMs: number };

type Answer =
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'edges'; readonly edges: EdgeColumns }
  | { readonly kind: 'save'; readonly result: SaveResult }
  | {
      readonly kind: 'failure';
      readonly operation: string;
      /** Name of the errno. */
      readonly code: string;
      readonly message: string;
    };

/**
 * How often waiting events are received. On a timer: to be woken for each of them costs more than to
 * receive it, and the socket has room for what comes meanwhile.
 */
const DRAIN_PERIOD_MS = 100;

const { netns, followsEvents, seed, state }: WorkerSettings = workerData;
let isInside = netns === undefined;
const saver = state === undefined ? undefined : new StateSaver(state);
const tally = new Tally({ seed, followsEvents });
const inputs = {
  table: new ConntrackTable(),
  tally,
  events: followsEvents ? followEvents() : undefined,
  hashBuckets,
  timeouts: readTimeouts,
  localAddresses,
  now: Date.now,
};

/** Of what is asked for: events come, and are received, however often that is. */
const cpu = new CpuTime();
let toldCpuMs = 0;

parentPort?.on('message', (question: WorkerQuestion) => {
  if (question.kind === 'write') {
    cpu.measure(() => saver?.write(question.name, question.bytes));
    return;
  }
  const answer = cpu.measure(() => answerTo(question));
  const cpuMs = cpu.totalMs - toldCpuMs;
  toldCpuMs = cpu.totalMs;
  parentPort?.postMessage({ ...answer, cpuMs } satisfies WorkerAnswer, buffersOf(answer));
});

function answerTo(question: Exclude<WorkerQuestion, { kind: 'write' }>): Answer {
  if (question.kind === 'take') return take();
  if (question.kind === 'save') {
    return { kind: 'save', result: saver?.finish(tally.columns()) ?? { kind: 'nothing' } };
  }
  const edges =
    question.kind === 'divide'
      ? tally.divide(question.takeovers)
      : tally.resume(question.columns, question.takeovers);
  return { kind: 'edges', edges };
}

function take(): Answer {
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

function followEvents(): EventFollower {
  const follower = new EventFollower({
    open: () => new ConntrackEvents(),
    addEnding: (entry, lastedMs) => tally.addEnding(entry, lastedMs),
    durations: new Durations(),
    areEventsOff,
    now: () => performance.now(),
  });
  setInterval(() => follower.drain(), DRAIN_PERIOD_MS);
  return follower;
}

/** getifaddrs() asks the calling thread's network namespace. */
function localAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.flatMap(({ address }) => canonicalAddress(address) ?? []);
}

function buffersOf(answer: Answer): ArrayBuffer[] {
  if (answer.kind === 'failure' || answer.kind === 'save') return [];
  const { edges } = answer.kind === 'snapshot' ? answer.snapshot : answer;
  return Object.values(edges).map(({ buffer }) => buffer);
}
