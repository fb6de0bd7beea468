import * as fc from 'fast-check';
import t from 'tap';
import { PollInterval } from '../../src/agent/poll-interval.ts';
import { every } from '../../src/runtime/every.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const SET_MS = 30_000;
const SHARE = 0.02;
/** What the share allows in the interval that is set. */
const FAIR_MS = SET_MS * SHARE;
const STRETCHED_MS_MAX = 300_000;

function create({ setMs = SET_MS, cpuShareMax = SHARE } = {}) {
  const { log, lines } = capturedLog();
  const interval = new PollInterval({ setMs, cpuShareMax, log });
  const after = (...costsMs: number[]) => {
    for (const costMs of costsMs) interval.note(costMs);
    return interval.inForceMs;
  };
  return { interval, after, lines };
}

t.test('snapshots that cost no more than their share are taken as often as set', async (t) => {
  const { interval, after } = create();
  t.equal(interval.inForceMs, SET_MS);
  t.equal(after(FAIR_MS, FAIR_MS, FAIR_MS, FAIR_MS), SET_MS);
});

t.test('snapshots that cost more are taken so rarely that they keep to it', async (t) => {
  const { after } = create();
  t.equal(after(1200, 1200, 1200), 60_000);
  t.equal(after(2400, 2400), 120_000);
});

t.test('neither the first cycle nor one that is slow stretches the interval', async (t) => {
  const { after } = create();
  t.equal(after(9000), SET_MS);
  t.equal(after(100), SET_MS);
  t.equal(after(100), SET_MS);
  t.equal(after(9000), SET_MS);
  t.equal(after(100), SET_MS);
});

t.test('the interval is back two cycles after snapshots have become cheap', async (t) => {
  const { after } = create();
  t.equal(after(3000, 3000, 3000), 150_000);
  t.equal(after(100), 150_000);
  t.equal(after(100), SET_MS);
});

t.test('five minutes are the longest, unless a longer interval was set', async (t) => {
  t.equal(create().after(90_000, 90_000, 90_000), STRETCHED_MS_MAX);
  const setMs = 600_000;
  t.equal(create({ setMs }).after(90_000, 90_000, 90_000), setMs);
});

t.test('without a share nothing is stretched', async (t) => {
  t.equal(create({ cpuShareMax: 0 }).after(90_000, 90_000, 90_000), SET_MS);
});

t.test('it is said once that snapshots cost too much, and once that it is over', async (t) => {
  const { after, lines } = create();
  after(1200, 1200, 1200, 1500, 1200, 1200);
  t.match(lines, [
    {
      level: 40,
      msg: 'Snapshots cost more than --cpu-share-max: they are taken less often',
      cycleCpuMs: 1200,
      cpuShareMax: SHARE,
      pollIntervalMs: 60_000,
    },
  ]);
  t.equal(lines.length, 1);
  after(100, 100, 100, 100);
  t.match(lines[1], {
    level: 30,
    msg: 'Snapshots are taken as often as --poll-interval says again',
    pollIntervalMs: SET_MS,
  });
  t.equal(lines.length, 2);
});

t.test('a cost that moves around its share is said once', async (t) => {
  const { after, lines } = create();
  for (let round = 0; round < 20; round++) after(1.1 * FAIR_MS, 1.1 * FAIR_MS);
  for (let round = 0; round < 20; round++) {
    after(0.9 * FAIR_MS, 0.9 * FAIR_MS, 1.1 * FAIR_MS, 1.1 * FAIR_MS);
  }
  t.equal(lines.length, 1);
});

t.test('whatever cycles cost, steady ones take their share at most, and no less', async (t) => {
  const phase = fc.record({ costMs: fc.integer({ min: 1, max: 5000 }), cycles: fc.nat(9) });
  await fc.assert(
    fc.asyncProperty(fc.array(phase, { minLength: 1, maxLength: 8 }), async (phases) => {
      const { interval } = create();
      const costsMs = phases.flatMap(({ costMs, cycles }) => Array<number>(cycles).fill(costMs));
      const ending = new AbortController();
      const beganMs: number[] = [];
      let nowMs = 0;
      await every({
        periodMs: () => interval.inForceMs,
        signal: ending.signal,
        tick: async () => {
          const costMs = costsMs[beganMs.length] ?? 1;
          beganMs.push(nowMs);
          nowMs += costMs;
          interval.note(costMs);
          if (beganMs.length >= costsMs.length) ending.abort();
        },
        onError: (error) => {
          throw error;
        },
        now: () => nowMs,
        delay: async (ms) => {
          nowMs += ms;
        },
      });
      return beganMs.slice(1).every((atMs, index) => {
        const takenMs = atMs - beganMs[index]!;
        const isInBounds = takenMs >= SET_MS && takenMs <= STRETCHED_MS_MAX;
        const lastMs = costsMs.slice(Math.max(0, index - 2), index + 1);
        const isSteady = lastMs.length === 3 && new Set(lastMs).size === 1;
        const fairMs = Math.min(Math.max(SET_MS, lastMs[0]! / SHARE), STRETCHED_MS_MAX);
        return isInBounds && (!isSteady || Math.abs(takenMs - fairMs) < 0.001);
      });
    }),
  );
  t.pass('held for all');
});
