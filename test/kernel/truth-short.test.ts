/** Connections that are over before a poll could see them. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import type { Snapshot } from '../../src/connections/snapshot.ts';
import { EdgeReader } from '../builders/edge-reader.ts';
import type { Shortly } from './short-connections.ts';
import { skip } from './skip.ts';
import { createTracked, make } from './tracked.ts';

const EACH = 500;
const PAUSE_MS = 50;

const wishes = (['127.0.0.1', '::1'] as const).flatMap((address): Shortly[] => {
  const between = { source: address, destination: address, count: EACH / 2 };
  return [
    { how: 'refused', port: 5001, ...between },
    { how: 'reset', port: 5002, ...between },
    { how: 'orderly', port: 5003, ...between },
    { how: 'udp', port: 5004, ...between },
  ];
});

/** Opened and closed by destination port, since the baseline. */
class Reader implements AsyncDisposable {
  readonly #source: SnapshotSource;
  readonly #edges = new EdgeReader();
  readonly ports: Record<string, string> = {};
  readonly #counts = new Map<string, { opened: number; closed: number }>();
  entries = 0;
  overflows = 0;

  constructor(netns: string, { followsEvents }: { readonly followsEvents: boolean }) {
    this.#source = new SnapshotSource({ netns, followsEvents });
  }

  async take(): Promise<Snapshot> {
    const snapshot = await this.#source.take();
    this.entries = snapshot.entries;
    this.overflows += snapshot.events?.overflows ?? 0;
    for (const [name, { opened, closed }] of this.#edges.read(snapshot.edges)) {
      const port = /:(\d+) =/.exec(name)?.[1] ?? name;
      const counts = this.#counts.get(port) ?? { opened: 0, closed: 0 };
      counts.opened += opened;
      counts.closed += closed;
      this.#counts.set(port, counts);
      this.ports[port] = `${counts.opened} opened, ${counts.closed} closed`;
    }
    return snapshot;
  }

  /** Until all that has expired is gone. */
  async empty(): Promise<void> {
    while ((await this.take()).entries > 0) await delay(PAUSE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source[Symbol.asyncDispose]();
  }
}

const all = `${EACH} opened, ${EACH} closed`;
const none = '0 opened, 0 closed';

t.test(
  'with events, each of 2,000 connections that no snapshot has is opened and closed once',
  { skip, timeout: 120_000 },
  async (t) => {
    await using namespace = await createTracked();
    await using blind = new Reader(namespace.path, { followsEvents: false });
    await using reader = new Reader(namespace.path, { followsEvents: true });
    await blind.take();
    await reader.take();
    await make(namespace, wishes);
    await reader.empty();
    await blind.empty();
    t.equal(reader.overflows, 0);
    t.strictSame(reader.ports, { 5001: all, 5002: all, 5003: all, 5004: all });
    t.notOk('5001' in blind.ports, 'without events nothing tells of the refused ones');
  },
);

t.test(
  'with snapshots while they come and go, each of them is opened and closed once all the same',
  { skip, timeout: 120_000 },
  async (t) => {
    await using namespace = await createTracked();
    await using reader = new Reader(namespace.path, { followsEvents: true });
    await reader.take();
    const ended = new AbortController();
    const making = make(namespace, wishes).finally(() => ended.abort());
    let seen = 0;
    while (!ended.signal.aborted) seen += (await reader.take()).entries;
    await making;
    await reader.empty();
    t.equal(reader.overflows, 0);
    t.ok(seen > 0, 'snapshots have seen some');
    t.strictSame(reader.ports, { 5001: all, 5002: all, 5003: all, 5004: all });
  },
);

t.test(
  'a worker that starts anew counts none of those before, although they end later',
  { skip, timeout: 120_000 },
  async (t) => {
    await using namespace = await createTracked();
    const orderly = wishes.filter(({ how }) => how === 'orderly');
    await using first = new Reader(namespace.path, { followsEvents: true });
    await first.take();
    await make(namespace, orderly);
    await using second = new Reader(namespace.path, { followsEvents: true });
    t.ok((await second.take()).entries > 0, 'they are still there');
    await second.empty();
    await first.empty();
    t.strictSame(first.ports, { 5003: all });
    t.strictSame(second.ports, { 5003: none });
  },
);

t.test(
  'a kernel that is told to tell nothing is found out',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await createTracked();
    await using reader = new Reader(namespace.path, { followsEvents: true });
    t.match((await reader.take()).events, { isFollowing: true, areEventsOff: false });
    await namespace.sysctl({ 'net/netfilter/nf_conntrack_events': '0' });
    await make(namespace, wishes.slice(0, 1));
    t.match((await reader.take()).events, { isFollowing: false, areEventsOff: true, received: 0 });
  },
);
