import * as fc from 'fast-check';
import t from 'tap';
import { Backoff } from '../../src/cluster/backoff.ts';

t.test('the longest wait doubles from 0.8 s to 30 s', async (t) => {
  const backoff = new Backoff({ random: () => 1 });
  t.strictSame(
    Array.from({ length: 8 }, () => backoff.nextMs(0)),
    [800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000],
  );
});

t.test('a wait is any part of the longest, however many failures there were', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 2000 }),
      (randoms) => {
        let at = 0;
        const backoff = new Backoff({ random: () => randoms[at++]! });
        return randoms.every((random, index) => {
          const limitMs = Math.min(800 * 2 ** index, 30_000);
          return backoff.nextMs(0) === limitMs * random;
        });
      },
    ),
  );
  t.pass();
});

t.test('two minutes of health begin anew, less do not', async (t) => {
  const backoff = new Backoff({ random: () => 1 });
  t.equal(backoff.nextMs(0), 800);
  t.equal(backoff.nextMs(119_999), 1600);
  t.equal(backoff.nextMs(120_000), 800);
});
