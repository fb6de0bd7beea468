/** Events that the kernel has no room for. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { EventReport } from '../../src/connections/snapshot.ts';
import { skip } from './skip.ts';
import { createTracked, make } from './tracked.ts';

const OVERFLOWING = fileURLToPath(new URL('./overflowing.ts', import.meta.url));
const COUNT = 500;
const PAUSE_MS = 50;
const refused = {
  how: 'refused',
  source: '127.0.0.1',
  destination: '127.0.0.1',
  port: 5001,
} as const;
const reset = { ...refused, how: 'reset', port: 5002 } as const;

interface Told {
  readonly entries: number;
  readonly opened: number;
  readonly closed: number;
  readonly events: EventReport;
}

t.test(
  'lost events are an overflow: it pauses, and what snapshots see stays right',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await createTracked();
    await namespace.sysctl({ 'net/netfilter/nf_conntrack_tcp_timeout_close': '10' });
    const follower = spawn(process.execPath, [OVERFLOWING, namespace.path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.teardown(() => follower.kill());
    const take = async (): Promise<Told> => {
      follower.stdin.write('take\n');
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- overflowing.ts writes it
      return JSON.parse(String(await once(follower.stdout, 'data'))) as Told;
    };
    t.match(await take(), { entries: 0, events: { isFollowing: true, overflows: 0 } });

    await make(namespace, [{ ...refused, count: COUNT }]);
    const lost = await take();
    t.match(lost.events, { isFollowing: false, overflows: 1 });
    t.ok(lost.events.received > 0, 'those that there was room for have come');
    t.equal(lost.closed, lost.events.received);
    t.equal(lost.opened, lost.closed);

    await make(namespace, [{ ...reset, count: COUNT }]);
    const seen = await take();
    t.match(seen, {
      entries: COUNT,
      opened: COUNT,
      closed: 0,
      events: { isFollowing: false, overflows: 0 },
    });
    t.ok(seen.events.pausedMs > 0);
    let closed = 0;
    for (let entries = COUNT; entries > 0; await delay(PAUSE_MS)) {
      const told = await take();
      ({ entries } = told);
      closed += told.closed;
    }
    t.equal(closed, COUNT);
  },
);
