import t from 'tap';
import { TokenBuckets } from '../../src/controller/token-bucket.ts';

function buckets(keysMax = 10) {
  const clock = { nowMs: 0 };
  const now = () => clock.nowMs;
  return { clock, subject: new TokenBuckets({ ratePerSecond: 2, burst: 3, keysMax, now }) };
}

t.test('a burst is taken at once, and then what the rate gives', async (t) => {
  const { clock, subject } = buckets();
  t.strictSame(
    [1, 2, 3].map(() => subject.take('a')),
    [0, 0, 0],
  );
  t.equal(subject.take('a'), 500);
  clock.nowMs += 250;
  t.equal(subject.take('a'), 250);
  clock.nowMs += 250;
  t.equal(subject.take('a'), 0);
  clock.nowMs += 60_000;
  t.strictSame(
    [1, 2, 3, 4].map(() => subject.take('a') === 0),
    [true, true, true, false],
  );
});

t.test('keys do not share, and the one unused for the longest is forgotten', async (t) => {
  const { subject } = buckets(2);
  for (const _ of [1, 2, 3]) subject.take('a');
  t.equal(subject.take('b'), 0);
  t.ok(subject.take('a') > 0);
  subject.take('c');
  subject.take('b');
  t.equal(subject.take('a'), 0);
});
