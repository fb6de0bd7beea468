import * as fc from 'fast-check';
import t from 'tap';
import { growthOf } from '../../src/connections/growth.ts';
import type { LeakSample } from '../../src/connections/leak-sample.ts';

const MINUTE_MS = 60_000;

interface Point {
  readonly minute?: number;
  readonly open: number;
  readonly opened?: number;
}

function points(all: readonly Point[]): LeakSample[] {
  return all.map(({ minute, open, opened = 0 }, nth) => {
    const none = { idle: 0, closedByClient: 0, closedByServer: 0, closed: 0 };
    return { takenAtMs: (minute ?? nth) * MINUTE_MS, open, opened, ...none };
  });
}

function growth(all: readonly Point[]) {
  return growthOf(points(all), ({ open }) => open);
}

function series(count: (nth: number) => number): Point[] {
  return Array.from({ length: 12 }, (_, nth) => ({ open: count(nth) }));
}

t.test('a straight line has its slope, and all of the rest', async (t) => {
  const { slope = 0, ...parts } = growth(series((nth) => 10 + 3 * nth)) ?? {};
  t.equal(slope * MINUTE_MS, 3);
  t.strictSame(parts, { amount: 1, steadiness: 1, evenness: 1, unexplained: 1 });
});

t.test('a few points may be anything, and some may be missing', async (t) => {
  const line = Array.from({ length: 14 }, (_, nth) => ({ minute: nth, open: 10 + 3 * nth }));
  const odd = line.map((point, nth) => (nth === 5 ? { ...point, open: 500 } : point));
  const { slope = 0 } = growth(odd.filter(({ minute }) => minute !== 3 && minute !== 9)) ?? {};
  t.equal(slope * MINUTE_MS, 3);
});

t.test('a step is not even, and what comes and goes is not steady', async (t) => {
  t.equal(growth(series((nth) => (nth < 6 ? 10 : 100)))?.evenness, 0);
  t.equal(growth(series((nth) => 50 + 40 * (nth % 2)))?.steadiness, 0);
});

t.test('growth that ends in the window, or begins in it, is not even', async (t) => {
  t.equal(growth(series((nth) => 10 + 10 * Math.min(nth, 6)))?.evenness, 0);
  t.equal(growth(series((nth) => 10 + 10 * Math.max(nth, 6)))?.evenness, 0);
});

t.test('with as many more opened it is explained', async (t) => {
  const traffic = series((nth) => 20 * 1.2 ** nth);
  let opened = 0;
  const busier = traffic.map((point) => ({ ...point, opened: (opened += 10 * point.open) }));
  const steady = traffic.map((point, nth) => ({ ...point, opened: 1000 * nth }));
  t.ok((growth(busier)?.unexplained ?? 1) < 0.05);
  t.ok((growth(steady)?.unexplained ?? 0) > 0.95);
});

t.test('growth is too little below ten, a tenth, or three standard deviations', async (t) => {
  t.equal(growth(series((nth) => nth / 2))?.amount, 0.55);
  t.equal(growth(series((nth) => 10_000 + 50 * nth))?.amount, 0.55);
  t.equal(growth(series((nth) => 100 + 1.5 * nth))?.amount, 0.55);
});

t.test('ten points are too few', async (t) => {
  t.equal(growth(series((nth) => nth).slice(2)), undefined);
});

t.test('each part is from 0 to 1, whatever there was', async (t) => {
  const point = fc.record({ open: fc.nat(100_000), opened: fc.nat(100_000) });
  fc.assert(
    fc.property(fc.array(point, { minLength: 11, maxLength: 14 }), (all) => {
      let total = 0;
      const counted = all.map(({ open, opened }) => ({ open, opened: (total += opened) }));
      const { slope, ...parts } = growth(counted)!;
      return Number.isFinite(slope) && Object.values(parts).every((part) => part >= 0 && part <= 1);
    }),
  );
  t.pass();
});
