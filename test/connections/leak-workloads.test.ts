/** How well leaks are told from what only looks like them; `npm run bench -- --scenario leaks` has more trials. */
import t from 'tap';
import { scoreOf, type Score } from '../builders/leak-trial.ts';
import { WORKLOADS } from '../builders/leak-workloads.ts';

const TRIALS = 12;
const HITS_MIN = 0.99;
const FALSE_ALARMS_MAX = 0.01;
/** Idle or half-closed ones: one window. Those that look busy: eight. */
const MEDIAN_MINUTES_MAX = { oneWindow: 60, eightWindows: 240 };

const scores = WORKLOADS.map((workload) => scoreOf(workload, TRIALS));

function share(of: readonly Score[], count: (score: Score) => number): number {
  return of.reduce((sum, score) => sum + count(score), 0) / (of.length * TRIALS);
}

t.test('of clients that leak nearly all are found', async (t) => {
  const leaking = scores.filter(({ leaks }) => leaks);
  t.ok(share(leaking, ({ hits }) => hits) >= HITS_MIN, 'hits', { scores: leaking });
});

t.test(
  'of clients that do not leak hardly any is suspected, in half a day or a whole one',
  async (t) => {
    t.ok(share(scores, ({ falseAlarms }) => falseAlarms) <= FALSE_ALARMS_MAX, 'false alarms', {
      scores,
    });
  },
);

t.test('a leak shows soon where it can, and in hours where it looks busy', async (t) => {
  for (const { workload, leaks, minutesToEvent } of scores) {
    if (!leaks) continue;
    const { oneWindow, eightWindows } = MEDIAN_MINUTES_MAX;
    const most = workload === 'leak, keepalives each 15 s' ? eightWindows : oneWindow;
    const median = minutesToEvent[minutesToEvent.length >> 1] ?? Infinity;
    t.ok(median <= most, `${workload}: ${median}`);
  }
});

t.test('the same seed plays the same', async (t) => {
  const [workload] = WORKLOADS;
  t.strictSame(scoreOf(workload!, 2), scoreOf(workload!, 2));
});
