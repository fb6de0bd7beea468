import t from 'tap';
import { age, columnsOf } from '../../src/top/columns.ts';
import type { Values } from '../../src/top/measures.ts';

/** A number as its column writes it. */
function written(values: Values): Record<string, string> {
  return Object.fromEntries(
    columnsOf([values]).map(({ name, measure, text }) => [
      name,
      text(values[measure] ?? Number.NaN),
    ]),
  );
}

const rate = (openedPerSecond: number) =>
  written({ opened: 1, openedPerSecond })['opened-per-second'];

t.test('columns are those that somebody tells of, a rate with its counter', async (t) => {
  t.strictSame(
    columnsOf([{ active: 1 }, { opened: 2 }]).map(({ name }) => name),
    ['active', 'opened-per-second', 'opened'],
  );
  t.strictSame(columnsOf([]), []);
});

t.test('counts are exact below a million', async (t) => {
  t.equal(written({ active: 999_999 })['active'], '999999');
  t.equal(written({ active: 1_234_567 })['active'], '1.23M');
  t.equal(written({ active: 123_456_789 })['active'], '123M');
});

t.test('rates have three digits', async (t) => {
  t.strictSame([0, 0.001, 0.5, 9.876, 12.34, 123.4, 4567, 1e20].map(rate), [
    '0',
    '<0.01',
    '0.50',
    '9.88',
    '12.3',
    '123',
    '4.57k',
    '1e+8',
  ]);
});

t.test('scores have two digits', async (t) => {
  t.equal(written({ leakScore: 0.756 })['leak-score'], '0.76');
});

t.test('ages have the two largest units', async (t) => {
  const second = 1;
  const hour = 3600 * second;
  t.strictSame([0, 8.9, 247, 3 * hour + 300, 52 * hour, -5, Number.NaN].map(age), [
    '0s',
    '8s',
    '4m07s',
    '3h05m',
    '2d04h',
    '0s',
    'NaN',
  ]);
});
