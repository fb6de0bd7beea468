import t from 'tap';
import {
  DeliveredBook,
  deltaOf,
  histogramDifference,
  sumDifference,
} from '../../src/telemetry/delta.ts';

type Time = [number, number];

function pointOf(value: number, startTime: Time = [1000, 0], endTime: Time = [1060, 0]) {
  return { attributes: { result: 'success' }, startTime, endTime, value };
}

t.test(
  'a delta begins where the last one delivered has ended, and nothing is no delta',
  async (t) => {
    const nothing = { pushedValue: undefined, pushedUntil: undefined };
    t.strictSame(deltaOf(pointOf(3), nothing, sumDifference), pointOf(3));
    t.equal(deltaOf(pointOf(0), nothing, sumDifference), undefined);
    const delivered = { pushedValue: 3, pushedUntil: [1030, 5] satisfies Time };
    t.strictSame(deltaOf(pointOf(8), delivered, sumDifference), pointOf(5, [1030, 5]));
    t.equal(deltaOf(pointOf(3), delivered, sumDifference), undefined);
  },
);

t.test('a histogram differs bucket by bucket, without its least and greatest', async (t) => {
  const boundaries = [1, 2];
  const first = { buckets: { boundaries, counts: [1, 0, 2] }, sum: 7, count: 3, min: 0.5, max: 4 };
  const second = {
    buckets: { boundaries, counts: [1, 4, 3] },
    sum: 20,
    count: 8,
    min: 0.5,
    max: 7,
  };
  t.strictSame(histogramDifference(second, first), {
    buckets: { boundaries, counts: [0, 4, 1] },
    sum: 13,
    count: 5,
  });
  t.match(histogramDifference(first, undefined), { buckets: first.buckets, sum: 7, count: 3 });
  t.equal(histogramDifference(second, second), undefined);
});

t.test(
  'what was delivered is known by metric and attributes, until the count starts anew',
  async (t) => {
    const book = new DeliveredBook<number>();
    const delivered = book.of('cycles', pointOf(3));
    delivered.pushedValue = 3;
    t.equal(book.of('cycles', pointOf(4)), delivered);
    t.not(book.of('dumps', pointOf(4)), delivered);
    t.not(book.of('cycles', { ...pointOf(4), attributes: { result: 'failure' } }), delivered);
    t.match(book.of('cycles', pointOf(1, [1061, 0])), { pushedValue: undefined });
  },
);
