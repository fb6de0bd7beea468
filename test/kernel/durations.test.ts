/** How long connections lasted, from the kernel's own timestamps. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { DURATION_COLUMNS } from '../../src/connections/durations.ts';
import type { EdgeColumns } from '../../src/connections/snapshot.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import type { Shortly } from './short-connections.ts';
import { skip } from './skip.ts';
import { createTracked, make } from './tracked.ts';

const COUNT = 50;
const HELD_MS = 300;
const PAUSE_MS = 50;
/** Longer than anything here takes: if it were not taken off, it would show. */
const TIME_WAIT_SECONDS = 4;
const TIMESTAMPS = { 'net/netfilter/nf_conntrack_timestamp': '1' };

function sumOf({ durations }: EdgeColumns) {
  const sum = { seconds: 0, count: 0 };
  for (const [at, value] of durations.entries()) {
    if (at % DURATION_COLUMNS === 0) sum.seconds += value;
    else sum.count += value;
  }
  return sum;
}

/** Of all that end, until the table is empty. */
async function rest(source: SnapshotSource) {
  const sum = { seconds: 0, count: 0 };
  for (let isEmpty = false; !isEmpty; await delay(PAUSE_MS)) {
    const { entries, edges } = await source.take();
    const { seconds, count } = sumOf(edges);
    sum.seconds += seconds;
    sum.count += count;
    isEmpty = entries === 0;
  }
  return sum;
}

for (const how of ['refused', 'reset', 'orderly', 'udp'] as const) {
  t.test(
    `${how}: a connection lasts from its first packet to its last, and not as long as its entry`,
    { skip, timeout: 60_000 },
    async (t) => {
      await using namespace = await createTracked();
      const wait = { 'net/netfilter/nf_conntrack_tcp_timeout_time_wait': `${TIME_WAIT_SECONDS}` };
      await namespace.sysctl({ ...TIMESTAMPS, ...wait });
      await using source = new SnapshotSource({ netns: namespace.path, followsEvents: true });
      await source.take();
      const between = { source: '127.0.0.1', destination: '127.0.0.1', port: 5001 };
      const wish: Shortly = { how, count: COUNT, ...between };
      const beganMs = performance.now();
      await make(namespace, [wish]);
      const tookSeconds = (performance.now() - beganMs) / 1000;
      const { seconds, count } = await rest(source);
      t.equal(count, COUNT);
      t.ok(seconds <= COUNT * tookSeconds, `${seconds} s of ${COUNT} in ${tookSeconds} s`);
    },
  );
}

t.test(
  'a connection lasts at least as long as it was held',
  { skip, timeout: 60_000 },
  async (t) => {
    const namespace = await TrackedNamespace.create(t, ['10.1.0.1']);
    await namespace.sysctl(TIMESTAMPS);
    await using source = new SnapshotSource({ netns: namespace.path, followsEvents: true });
    await source.take();
    await namespace.open({ source: '10.1.0.1', destination: '10.1.0.1', port: 5001, count: COUNT });
    t.equal((await source.take()).entries, COUNT);
    await delay(HELD_MS);
    await namespace.reset(5001);
    const { seconds, count } = await rest(source);
    t.equal(count, COUNT);
    t.ok(seconds * 1000 >= COUNT * HELD_MS, `${seconds} s of ${COUNT}`);
  },
);

t.test(
  'where the kernel keeps no timestamps, no duration is told',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await createTracked();
    await using source = new SnapshotSource({ netns: namespace.path, followsEvents: true });
    await source.take();
    const between = { source: '127.0.0.1', destination: '127.0.0.1', port: 5001 };
    await make(namespace, [{ how: 'refused', count: COUNT, ...between }]);
    t.equal((await source.take()).edges.durations.length, 0);
  },
);
