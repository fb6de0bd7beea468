import t from 'tap';
import { CLOSED_BY, IDLE_BANDS, SIGNAL, SIGNAL_SLOTS } from '../../src/connections/signals.ts';
import { Tally } from '../../src/connections/tally.ts';
import type { Timeouts } from '../../src/conntrack/timeouts.ts';
import {
  entryOf,
  ESTABLISHED,
  flow,
  flow6,
  IPS_CONFIRMED,
  IPS_OFFLOAD,
  SYN_SENT,
  TIME_WAIT,
  UDP,
  type Flow,
} from '../builders/flow.ts';

const DAY = 86_400;
/** As kube-proxy sets the first. */
const TIMEOUTS: Timeouts = { tcpEstablished: DAY, sctpEstablished: 210, tcpStalled: 300 };
const SCTP = 132;
const FIN_WAIT = 4;
const CLOSE_WAIT = 5;
const LAST_ACK = 6;
const IPS_FIXED_TIMEOUT = 1 << 10;
const CLOSE_INIT = 0x04;
const DATA_UNACKNOWLEDGED = 0x10;

/** What a snapshot says of the one edge that these flows are of, as far as it is not 0. */
function signalsOf(flows: readonly Flow[], timeouts = TIMEOUTS): Record<string, number> {
  const tally = new Tally({ seed: 1 });
  tally.begin(timeouts);
  for (const one of flows) tally.add(entryOf(one));
  const { signals } = tally.finish({ takenAtMs: 0 }).edges;
  const names = [...IDLE_BANDS, ...CLOSED_BY, 'unanswered'];
  const told = Array.from(signals, (count, at) => [names[at], count] as const);
  return Object.fromEntries(told.filter(([, count]) => count > 0));
}

const idleFor = (seconds: number, different: Partial<Flow> = {}) =>
  flow({ timeout: DAY - seconds - 1, ...different });

t.test('an established connection is idle for what has passed of its timeout', async (t) => {
  for (const [seconds, band] of [
    [0, 'lt_1m'],
    [59, 'lt_1m'],
    [60, '1m_10m'],
    [599, '1m_10m'],
    [600, '10m_1h'],
    [3599, '10m_1h'],
    [3600, '1h_1d'],
    [DAY - 302, '1h_1d'],
  ] as const) {
    t.strictSame(signalsOf([idleFor(seconds)]), { [band]: 1 }, `${seconds} s`);
  }
  const default5Days = { ...TIMEOUTS, tcpEstablished: 5 * DAY };
  const left = (seconds: number) => [flow({ timeout: 5 * DAY - seconds - 1 })];
  t.strictSame(signalsOf(left(DAY - 1), default5Days), { '1h_1d': 1 });
  t.strictSame(signalsOf(left(DAY), default5Days), { ge_1d: 1 });
});

t.test('the kernel rounds what is left down: a packet just now is no second ago', async (t) => {
  t.strictSame(signalsOf([flow({ timeout: DAY })]), { lt_1m: 1 });
});

t.test('SCTP is idle by its own timeout, over IPv6 as well', async (t) => {
  const sctp = { protocol: SCTP, state: 4 };
  t.strictSame(signalsOf([flow({ ...sctp, timeout: 209 })]), { lt_1m: 1 });
  t.strictSame(signalsOf([flow6({ ...sctp, timeout: 100 })]), { '1m_10m': 1 });
  t.strictSame(signalsOf([flow({ protocol: SCTP, state: 3, timeout: 1 })]), {});
});

t.test('what the timeout does not show is counted as unknown', async (t) => {
  const unknown = { unknown: 1 };
  const cases: Readonly<Record<string, Flow>> = {
    'more is left than the timeout: a policy of its own': flow({ timeout: DAY + 1 }),
    'a fixed timeout': idleFor(60, { status: IPS_FIXED_TIMEOUT | IPS_CONFIRMED | 2 }),
    'unacknowledged data of the client': idleFor(60, { tcpFlags: [DATA_UNACKNOWLEDGED, 0] }),
    'unacknowledged data of the server': idleFor(60, { tcpFlags: [0, DATA_UNACKNOWLEDGED] }),
    'as little left as of one that stalls': flow({ timeout: 300 }),
    'no timeout': flow({ timeout: undefined }),
    'carried by a flowtable': flow({
      state: undefined,
      timeout: undefined,
      status: IPS_OFFLOAD | IPS_CONFIRMED | 2,
    }),
  };
  for (const [why, one] of Object.entries(cases)) t.strictSame(signalsOf([one]), unknown, why);
  const hidden = { ...TIMEOUTS, tcpEstablished: undefined };
  t.strictSame(signalsOf([idleFor(60)], hidden), unknown, 'a timeout that the kernel hides');
});

t.test('with an established timeout below the stalled one nothing is unclear', async (t) => {
  const short = { ...TIMEOUTS, tcpEstablished: 200 };
  t.strictSame(signalsOf([flow({ timeout: 9 })], short), { '1m_10m': 1 });
});

t.test('only established connections are idle', async (t) => {
  for (const state of [SYN_SENT, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT]) {
    t.strictSame(signalsOf([flow({ state, timeout: 10 })]), {}, `state ${state}`);
  }
  t.strictSame(signalsOf([flow({ protocol: UDP, timeout: 10 })]), {});
});

t.test('half-closed is one FIN, by the side that sent it', async (t) => {
  for (const state of [FIN_WAIT, CLOSE_WAIT]) {
    t.strictSame(signalsOf([flow({ state, tcpFlags: [CLOSE_INIT | 0x23, 0x23] })]), { client: 1 });
    t.strictSame(signalsOf([flow({ state, tcpFlags: [0x23, CLOSE_INIT | 0x23] })]), { server: 1 });
  }
  const flags = { tcpFlags: [CLOSE_INIT, 0] } as const;
  t.strictSame(signalsOf([flow({ state: LAST_ACK, ...flags })]), {}, 'both have sent one');
  t.strictSame(signalsOf([flow({ state: TIME_WAIT, ...flags })]), {});
});

t.test('unanswered is no packet of the server yet, of any transport', async (t) => {
  const status = IPS_CONFIRMED;
  t.strictSame(signalsOf([flow({ state: SYN_SENT, status })]), { unanswered: 1 });
  t.strictSame(signalsOf([flow({ protocol: UDP, status })]), { unanswered: 1 });
  t.strictSame(signalsOf([flow({ state: ESTABLISHED, status, timeout: DAY })]), {
    lt_1m: 1,
    unanswered: 1,
  });
});

t.test('the connections of an edge are counted together, those of another apart', async (t) => {
  t.strictSame(
    signalsOf([
      idleFor(5, { id: 1, sourcePort: 1 }),
      idleFor(7, { id: 2, sourcePort: 2 }),
      idleFor(70, { id: 3, sourcePort: 3 }),
      flow({ id: 4, sourcePort: 4, state: CLOSE_WAIT, tcpFlags: [0, CLOSE_INIT] }),
    ]),
    { lt_1m: 2, '1m_10m': 1, server: 1 },
  );
  const tally = new Tally({ seed: 1 });
  tally.begin(TIMEOUTS);
  tally.add(entryOf(idleFor(5)));
  tally.add(entryOf(idleFor(70, { destinationPort: 80 })));
  const { signals } = tally.finish({ takenAtMs: 0 }).edges;
  t.equal(signals[SIGNAL.idle], 1);
  t.equal(signals[SIGNAL_SLOTS + SIGNAL.idle + 1], 1);
});
