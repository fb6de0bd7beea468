import t from 'tap';
import { Durations } from '../../src/conntrack/duration.ts';
import { entryOf, flow, TIME_WAIT, UDP, type Flow } from '../builders/flow.ts';

const SECOND_NS = 1_000_000_000n;
const START = 1_790_000_000n * SECOND_NS;
const IPS_ASSURED = 1 << 2;
const SYN_SENT = 1;
const SCTP = 132;
const TIMEOUTS: Readonly<Record<string, number>> = {
  tcp_timeout_syn_sent: 120,
  tcp_timeout_time_wait: 120,
  tcp_timeout_established: 432_000,
  sctp_timeout_closed: 10,
  udp_timeout: 30,
  udp_timeout_stream: 180,
  generic_timeout: 600,
};

/** In ms, of an entry that was there for so long. */
function lasted(lifeSeconds: number, different: Partial<Flow>): number | undefined {
  const stop = START + BigInt(lifeSeconds * 1000) * (SECOND_NS / 1000n);
  const ended = flow({ start: START, stop, timeout: undefined, ...different });
  const lastedMs = new Durations((name) => TIMEOUTS[name]).of(entryOf(ended));
  // A double at this size has a grain of 256 ns.
  return lastedMs === undefined ? undefined : Math.round(lastedMs);
}

t.test('the timeout of the last state is taken off the life of an entry', async (t) => {
  t.equal(lasted(121.5, { state: TIME_WAIT }), 1500);
  t.equal(lasted(120, { state: TIME_WAIT }), 0);
  t.equal(lasted(119.996, { state: TIME_WAIT }), 0, 'a jiffy too soon');
  t.equal(lasted(31, { protocol: UDP, state: undefined, status: 0 }), 1000);
  t.equal(lasted(181, { protocol: UDP, state: undefined, status: IPS_ASSURED }), 1000);
  t.equal(lasted(11, { protocol: SCTP, state: 1 }), 1000);
  t.equal(lasted(601, { protocol: 253, state: undefined }), 1000);
});

t.test('of an entry that was removed before its time, only what had passed of it', async (t) => {
  t.equal(lasted(0.002, { state: SYN_SENT, timeout: 119 }), 2, 'refused: at once');
  t.equal(lasted(32, { state: TIME_WAIT, timeout: 89 }), 2000, 'opened again out of TIME_WAIT');
  t.equal(lasted(121.5, { state: TIME_WAIT, timeout: 0 }), 1500);
});

t.test('an entry with a shorter timeout than its state says lasted its whole life', async (t) => {
  t.equal(lasted(300, {}), 300_000, 'stalled');
});

t.test('without a start, a stop, a state or its timeout nothing is known', async (t) => {
  t.equal(lasted(130, { state: TIME_WAIT, start: 0n }), undefined);
  t.equal(lasted(130, { state: TIME_WAIT, stop: 0n }), undefined);
  t.equal(lasted(130, { state: undefined }), undefined);
  t.equal(lasted(130, { state: 0 }), undefined);
  t.equal(lasted(130, { state: 4 }), undefined);
});

t.test('a clock that was set back makes no negative duration', async (t) => {
  t.equal(lasted(-5, { state: TIME_WAIT }), 0);
});

t.test('timeouts are read once between two refreshes', async (t) => {
  const read: string[] = [];
  const durations = new Durations((name) => {
    read.push(name);
    return 1;
  });
  const ended = entryOf(flow({ state: TIME_WAIT, start: START, stop: START + 2n * SECOND_NS }));
  for (const _ of [1, 2]) durations.of(ended);
  t.strictSame(read, ['tcp_timeout_time_wait']);
  durations.refresh();
  durations.of(ended);
  t.equal(read.length, 2);
});

t.test('the sysctls of this kernel are known by these names', async (t) => {
  const ended = { start: START, stop: START + 600_000n * SECOND_NS, timeout: undefined };
  const durations = new Durations();
  for (const state of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    t.ok(durations.of(entryOf(flow({ ...ended, state }))), `TCP ${state}`);
  }
  for (const protocol of [1, 17, 47, 58, 253]) {
    t.ok(durations.of(entryOf(flow({ ...ended, protocol, state: undefined }))), `${protocol}`);
  }
});
