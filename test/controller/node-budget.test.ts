import * as fc from 'fast-check';
import t from 'tap';
import { nodeBudget } from '../../src/controller/resolve-api.ts';
import { TokenBuckets } from '../../src/controller/token-bucket.ts';

/** An agent remembers 131,072 addresses and asks about 4,096 at a time. */
const REQUESTS_FOR_ALL = 32;

t.test(
  'an agent that is told when to ask is never refused, however much it remembers',
  async () => {
    const polls = fc.record({
      /** What the controller tells the agent, and how often the agent looks at its table. */
      nextPollMs: fc.integer({ min: 1000, max: 120_000 }),
      agentPollMs: fc.integer({ min: 1000, max: 120_000 }),
      /** For each poll: how late it comes, in shares of its period. */
      lateness: fc.array(fc.double({ min: 0, max: 0.1, noNaN: true }), { minLength: 300 }),
    });
    fc.assert(
      fc.property(polls, ({ nextPollMs, agentPollMs, lateness }) => {
        let nowMs = 0;
        const keysMax = 10;
        const buckets = new TokenBuckets({ ...nodeBudget(nextPollMs), keysMax, now: () => nowMs });
        let dueMs = 0;
        for (const [poll, late] of lateness.entries()) {
          nowMs = (poll + late) * agentPollMs;
          const isDue = nowMs >= dueMs;
          // As the agent does, a little before the time it was told.
          if (isDue) dueMs = nowMs + 0.9 * nextPollMs;
          for (let request = 0; request < (isDue ? REQUESTS_FOR_ALL : 1); request++) {
            if (buckets.take('node-a') > 0) return false;
          }
        }
        return true;
      }),
    );
  },
);

t.test('a node that asks without a pause is held to what agents need', async (t) => {
  for (const nextPollMs of [1000, 30_000]) {
    let nowMs = 0;
    const budget = nodeBudget(nextPollMs);
    const buckets = new TokenBuckets({ ...budget, keysMax: 10, now: () => nowMs });
    let taken = 0;
    for (; nowMs < 60_000; nowMs++) if (buckets.take('node-a') === 0) taken++;
    t.ok(taken <= 60 * budget.ratePerSecond + budget.burst, `${nextPollMs}`);
  }
  t.ok(nodeBudget(30_000).ratePerSecond < 5);
});
