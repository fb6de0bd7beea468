import * as fc from 'fast-check';
import t from 'tap';
import { every, Pulse } from '../../src/runtime/every.ts';

const PERIOD_MS = 100;

interface Run {
  /** How long each tick takes; the signal aborts at the end of the last one. */
  readonly tickMs: readonly number[];
  readonly periodMs?: () => number;
  readonly firstPeriodMs?: number;
  readonly tick?: (index: number) => void;
  readonly onError?: (error: unknown) => void;
}

function rethrow(error: unknown): never {
  throw error;
}

/** A clock that only ticks and delays move; resolves to when each tick began. */
async function run({
  tickMs,
  periodMs = () => PERIOD_MS,
  firstPeriodMs = PERIOD_MS,
  tick,
  onError = () => {},
}: Run): Promise<number[]> {
  const controller = new AbortController();
  const beganMs: number[] = [];
  let nowMs = 5000;
  await every({
    periodMs,
    firstPeriodMs,
    signal: controller.signal,
    tick: async () => {
      const index = beganMs.length;
      beganMs.push(nowMs - 5000);
      nowMs += tickMs[index] ?? 0;
      if (beganMs.length === tickMs.length) controller.abort();
      tick?.(index);
    },
    onError,
    now: () => nowMs,
    delay: async (ms) => {
      nowMs += ms;
    },
  });
  return beganMs;
}

t.test('every() ticks at once and then on a grid, however long a tick takes', async (t) => {
  t.strictSame(await run({ tickMs: [30, 0, 99, 70] }), [0, 100, 200, 300]);
});

t.test('every() may begin in the middle of a period of its grid', async (t) => {
  t.strictSame(await run({ tickMs: [30, 0, 99, 0], firstPeriodMs: 40 }), [0, 40, 140, 240]);
  t.strictSame(await run({ tickMs: [41, 0, 0], firstPeriodMs: 40 }), [0, 140, 240], 'an overrun');
  t.strictSame(await run({ tickMs: [0, 0, 0], firstPeriodMs: 0 }), [0, 0, 100]);
});

t.test('every() skips the beats that an overrunning tick has missed', async (t) => {
  t.strictSame(await run({ tickMs: [250, 0, 100, 101, 0] }), [0, 300, 400, 500, 700]);
});

t.test('every() goes over to another period from the beat of the last tick on', async (t) => {
  const periodsMs = [100, 100, 250, 250, 40, 40];
  const periodMs = () => periodsMs.shift()!;
  const tickMs = [0, 30, 0, 70, 130, 0];
  t.strictSame(await run({ tickMs, periodMs }), [0, 100, 350, 600, 680, 840]);
});

t.test('every() begins each tick on a beat of its own, after the one before', async (t) => {
  const durations = fc.array(fc.nat({ max: 5 * PERIOD_MS }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(durations, async (tickMs) => {
      const beganMs = await run({ tickMs });
      return beganMs.every((atMs, index) => {
        const earliestMs = (beganMs[index - 1] ?? 0) + (tickMs[index - 1] ?? 0);
        const isNew = index === 0 || atMs > (beganMs[index - 1] ?? 0);
        return isNew && atMs % PERIOD_MS === 0 && atMs >= earliestMs;
      });
    }),
  );
  t.pass('held for all');
});

t.test('every() hands a failed tick to onError and goes on', async (t) => {
  const failures: unknown[] = [];
  const failure = new Error('dump failed');
  const beganMs = await run({
    tickMs: [0, 0, 0],
    tick: (index) => {
      if (index === 1) throw failure;
    },
    onError: (error) => failures.push(error),
  });
  t.strictSame(beganMs, [0, 100, 200]);
  t.strictSame(failures, [failure]);
});

t.test('every() ends with what onError throws', async (t) => {
  const fatal = new Error('no permission');
  const ticking = run({
    tickMs: [0, 0, 0],
    tick: () => {
      throw fatal;
    },
    onError: rethrow,
  });
  await t.rejects(ticking, fatal);
});

t.test('every() ends in the middle of a delay when the signal aborts', async (t) => {
  const controller = new AbortController();
  let ticks = 0;
  const ticking = every({
    periodMs: 3_600_000,
    signal: controller.signal,
    tick: async () => void ticks++,
    onError: rethrow,
  });
  setImmediate(() => controller.abort());
  await ticking;
  t.equal(ticks, 1);
});

t.test('every() waits for the running tick, and its abort is no failure', async (t) => {
  const controller = new AbortController();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let hasSettled = false;
  const ticking = every({
    periodMs: PERIOD_MS,
    signal: controller.signal,
    tick: async (signal) => {
      await released;
      hasSettled = true;
      signal.throwIfAborted();
    },
    onError: rethrow,
  });
  controller.abort();
  release();
  await ticking;
  t.equal(hasSettled, true);
});

t.test('every() reports a real failure even while it ends', async (t) => {
  const failures: unknown[] = [];
  const failure = new Error('disk full');
  const fail = () => {
    throw failure;
  };
  await run({ tickMs: [0], tick: fail, onError: (error) => failures.push(error) });
  t.strictSame(failures, [failure]);
});

t.test('every() does not tick when the signal has aborted before', async (t) => {
  const signal = AbortSignal.abort();
  let ticks = 0;
  await every({ periodMs: PERIOD_MS, signal, tick: async () => void ticks++, onError: rethrow });
  t.equal(ticks, 0);
});

t.test('Pulse tells how long ago the last tick began', async (t) => {
  const controller = new AbortController();
  let nowMs = 1000;
  const pulse = new Pulse({ now: () => nowMs });
  nowMs += 40;
  t.equal(pulse.ageMs, 40, 'before the first tick, since it was made');
  await every({
    periodMs: PERIOD_MS,
    signal: controller.signal,
    pulse,
    tick: async () => {
      nowMs += 7;
      controller.abort();
    },
    onError: rethrow,
    delay: async () => {},
  });
  t.equal(pulse.ageMs, 7);
});
