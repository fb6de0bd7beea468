import t from 'tap';
import { KnownAddresses } from '../../src/agent/known-addresses.ts';
import type { ResolveResponse } from '../../src/inventory/wire.ts';

const A = '10.1.0.11';
const B = '10.1.0.12';
const web = { type: 'pod', name: 'web-1' } as const;

function answer(rest: Partial<ResolveResponse> = {}): ResolveResponse {
  return {
    epoch: 'e1',
    rev: 1,
    synced: true,
    stale: false,
    entries: {},
    gone: [],
    reset: false,
    nextPollMs: 30_000,
    ...rest,
  };
}

function knownAddresses({ addressesMax = 10, random = (): number => 0 } = {}) {
  const known = new KnownAddresses({ addressesMax, random });
  /** One question about these addresses and its answer. */
  const exchange = (addresses: readonly string[], response: ResolveResponse, nowMs = 0) => {
    known.remember(addresses);
    const question = known.question(addresses, nowMs);
    known.take(question, response, nowMs);
    return question;
  };
  return { known, exchange };
}

t.test('what was answered is asked for as had, since the oldest of the answers', async (t) => {
  const { known, exchange } = knownAddresses();
  t.strictSame(exchange([A], answer({ rev: 5, entries: { [A]: web }, reset: true })), {
    have: [],
    want: [A],
  });
  exchange([B], answer({ rev: 9, entries: { [B]: web } }));
  t.strictSame(known.question([A, B, '192.0.2.1'], 0), {
    have: [A, B],
    want: ['192.0.2.1'],
    epoch: 'e1',
    since: 5,
  });
});

t.test('what another controller answered is wanted again', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A], answer({ entries: { [A]: web } }));
  exchange([B], answer({ epoch: 'e2', entries: { [B]: web } }));
  t.strictSame(known.question([A, B], 0), { have: [B], want: [A], epoch: 'e2', since: 1 });
});

t.test('what was answered more than ten minutes ago is wanted again', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A], answer({ entries: { [A]: web } }));
  t.strictSame(known.question([A], 600_000).have, [A]);
  t.strictSame(known.question([A], 600_001).want, [A]);
});

t.test('what is not mentioned of the had stays, what is gone goes', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A, B], answer({ entries: { [A]: web, [B]: web } }));
  const kept = known.identityOf(A);
  exchange([A, B], answer({ rev: 2, gone: [B] }));
  t.equal(known.identityOf(A), kept);
  t.equal(known.identityOf(B), undefined);
});

t.test('after a reset, what is not mentioned is unknown', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A, B], answer({ entries: { [A]: web, [B]: web } }));
  exchange([A, B], answer({ epoch: 'e2', reset: true, entries: { [A]: web } }));
  t.strictSame(known.identityOf(A), web);
  t.equal(known.identityOf(B), undefined);
});

t.test('an owner that says the same stays the same object', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A], answer({ entries: { [A]: web } }));
  const kept = known.identityOf(A);
  exchange([A], answer({ epoch: 'e2', reset: true, entries: { [A]: { ...web } } }));
  t.equal(known.identityOf(A), kept);
  exchange([A], answer({ rev: 2, entries: { [A]: { ...web, sinceMs: 1, previous: web } } }));
  t.equal(known.identityOf(A), kept, 'what is said of those before is no part of it');
  exchange([A], answer({ rev: 3, entries: { [A]: { ...web, app: 'web' } } }));
  t.strictSame(known.identityOf(A), { ...web, app: 'web' });
});

t.test('who had an address before, and until when, stays known', async (t) => {
  const { known, exchange } = knownAddresses();
  const old = { type: 'pod', name: 'api-0' } as const;
  exchange([A, B], answer({ entries: { [A]: { ...web, sinceMs: 1000 }, [B]: web } }));
  t.strictSame([...known.takeovers()], [], 'nobody said so');
  exchange([A], answer({ rev: 2, entries: { [A]: { ...web, sinceMs: 2000, previous: old } } }));
  const told = [...known.takeovers()];
  t.strictSame(told, [[A, { sinceMs: 2000, previous: old }]]);
  exchange([A], answer({ rev: 3 }));
  t.strictSame([...known.takeovers()], told, 'nothing changed');
  exchange(
    [A],
    answer({ epoch: 'e2', reset: true, entries: { [A]: { ...web, app: 'web', sinceMs: 2000 } } }),
  );
  t.strictSame(
    [...known.takeovers()],
    told,
    'a controller forgets who was there, its agents do not',
  );
  exchange([A], answer({ epoch: 'e2', rev: 4, entries: { [A]: { ...old, sinceMs: 3000 } } }));
  t.strictSame([...known.takeovers()], [], 'of an owner who had it from nobody');
  exchange(
    [A],
    answer({ epoch: 'e2', rev: 5, entries: { [A]: { ...web, sinceMs: 4000, previous: old } } }),
  );
  t.equal([...known.takeovers()].length, 1);
  exchange([A], answer({ epoch: 'e2', rev: 6, gone: [A] }));
  t.strictSame([...known.takeovers()], []);
});

const ended = { ...web, endedMs: 5000 };

t.test('an owner that has ended is known when the controller has forgotten it', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A], answer({ entries: { [A]: web } }));
  const kept = known.identityOf(A);
  t.notOk(known.hasEnded(A));
  exchange([A], answer({ rev: 2, entries: { [A]: ended } }));
  t.equal(known.identityOf(A), kept, 'it is the same one');
  t.ok(known.hasEnded(A));
  for (const forgotten of [
    answer({ rev: 3, gone: [A] }),
    answer({ rev: 4 }),
    answer({ epoch: 'e2', reset: true }),
  ]) {
    exchange([A], forgotten);
    t.equal(known.identityOf(A), kept);
    t.ok(known.hasEnded(A));
  }
  t.strictSame(known.question([A], 0).have, [A], 'who has it next is told at once');
  exchange([A], answer({ epoch: 'e2', rev: 2, entries: { [A]: { type: 'pod', name: 'api-1' } } }));
  t.equal(known.identityOf(A)?.name, 'api-1');
  t.notOk(known.hasEnded(A));
  exchange([A], answer({ epoch: 'e2', rev: 3, gone: [A] }));
  t.equal(known.identityOf(A), undefined, 'nobody said that this one has ended');
});

t.test('an owner that has ended is forgotten with its last connection', async (t) => {
  const { known, exchange } = knownAddresses();
  exchange([A, B], answer({ entries: { [A]: ended, [B]: web } }));
  exchange([B], answer({ rev: 2 }));
  exchange([A], answer({ rev: 2 }));
  t.equal(known.identityOf(A), undefined);
  t.notOk(known.hasEnded(A));
  t.strictSame(known.identityOf(B), web);
});

t.test('an owner that has ended is not known after an hour without an answer', async (t) => {
  for (const [waitMs, isKnown] of [
    [3_600_000, true],
    [3_600_001, false],
  ] as const) {
    const { known, exchange } = knownAddresses();
    exchange([A], answer({ entries: { [A]: ended } }), 0);
    exchange([A], answer({ epoch: 'e2', reset: true }), waitMs);
    t.equal(known.identityOf(A) !== undefined, isKnown);
    t.equal(known.hasEnded(A), isKnown);
  }
});

t.test('an owned address is due again when the controller said so', async (t) => {
  const { known, exchange } = knownAddresses();
  t.notOk(known.isDue(A, 0), 'not before it is asked for');
  exchange([A], answer({ entries: { [A]: web }, nextPollMs: 30_000 }), 1000);
  t.notOk(known.isDue(A, 27_999));
  t.ok(known.isDue(A, 28_000));
});

t.test(
  'a controller hears of its agent as often as it wants, and every nine minutes',
  async (t) => {
    const { known, exchange } = knownAddresses();
    t.ok(known.isPollDue(0), 'the first poll');
    exchange([], answer({ nextPollMs: 30_000 }), 1000);
    t.notOk(known.isPollDue(27_999));
    t.ok(known.isPollDue(28_000));
    exchange([A], answer({ entries: { [A]: web }, nextPollMs: Number.MAX_SAFE_INTEGER }), 0);
    t.notOk(known.isPollDue(539_999) || known.isDue(A, 539_999));
    t.ok(known.isPollDue(540_000) && known.isDue(A, 540_000));
    t.strictSame(known.question([A], 540_000).have, [A]);
  },
);

t.test(
  'an address without an owner is asked for at intervals that grow to ten minutes',
  async (t) => {
    for (const [random, intervals] of [
      [() => 1, [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]],
      [() => 0, [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]],
    ] as const) {
      const { known, exchange } = knownAddresses({ random });
      let nowMs = 0;
      for (const intervalMs of intervals) {
        exchange([A], answer(), nowMs);
        t.notOk(known.isDue(A, nowMs + intervalMs - 1));
        t.ok(known.isDue(A, nowMs + intervalMs));
        nowMs += intervalMs;
      }
      exchange([A], answer({ entries: { [A]: web } }), nowMs);
      exchange([A], answer({ gone: [A] }), nowMs);
      t.ok(known.isDue(A, nowMs + (intervals[0] ?? 0)), 'an owner starts them anew');
    }
  },
);

t.test('of too many addresses, those not asked for the longest are forgotten', async (t) => {
  const { known, exchange } = knownAddresses({ addressesMax: 2 });
  exchange([A, B], answer({ entries: { [A]: web, [B]: web } }));
  t.strictSame(known.remember([A]), [A]);
  t.strictSame(known.remember(['192.0.2.1']), ['192.0.2.1']);
  t.strictSame(known.identityOf(A), web);
  t.equal(known.identityOf(B), undefined);
  t.strictSame(known.remember(['192.0.2.1', '192.0.2.2', '192.0.2.3']), ['192.0.2.1', '192.0.2.2']);
});

t.test('an answer about a forgotten address is left aside', async (t) => {
  const { known } = knownAddresses({ addressesMax: 1 });
  known.remember([A]);
  const question = known.question([A], 0);
  known.remember([B]);
  known.take(question, answer({ entries: { [A]: web } }), 0);
  t.equal(known.identityOf(A), undefined);
});
