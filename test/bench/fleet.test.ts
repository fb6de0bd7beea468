import t from 'tap';
import { benchFleet } from './fleet.ts';

t.setTimeout(120_000);

t.test(
  'after a controller has died, every agent knows from the other who owns its addresses',
  async (t) => {
    const size = { agents: 20, pods: 3000, churn: 100, seconds: 0.5, 'poll-seconds': 0.3 };
    const lines = await benchFleet(size);
    const verdict = lines.find((line) => line.phase === 'verdict');
    t.match(verdict, { wrong: 0, missing: 0 });
    t.ok(verdict !== undefined && 'addresses' in verdict && verdict.addresses > 20 * 30);
    t.match(
      lines.filter(({ phase }) => ['rollout', 'failover'].includes(phase)),
      [{ answered: 20 }, { answered: 20 }],
    );
  },
);
