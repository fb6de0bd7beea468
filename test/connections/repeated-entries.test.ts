import t from 'tap';
import { Counting } from '../builders/counting.ts';
import { many, TIME_WAIT } from '../builders/flow.ts';

t.test('an entry that the kernel sends twice in one dump is counted once', async (t) => {
  const rows = many(100);
  for (const [name, twice] of [
    ['a bucket that is sent again', [...rows.slice(0, 50), ...rows.slice(20)]],
    ['the first entries', [...rows.slice(0, 20), ...rows]],
    ["at a bucket's reach", [...rows.slice(0, 81), ...rows.slice(1)]],
    ['thrice', [...rows.slice(0, 30), ...rows.slice(10, 30), ...rows.slice(10)]],
  ] as const) {
    const counting = new Counting();
    t.equal(counting.snapshot(twice).entries, 100, name);
    const same = { opened: 0, closed: 0, active: 100 };
    t.strictSame(counting.totals(twice), same, `${name}: in two dumps`);
    t.strictSame(counting.totals(rows), same, `${name}: no more`);
    t.strictSame(counting.totals(twice), same, `${name}: again`);
    t.strictSame(counting.totals([]), { opened: 0, closed: 0, active: 0 }, `${name}: gone`);
  }
});

t.test('a new entry that is sent twice is opened once', async (t) => {
  const rows = many(60);
  const counting = new Counting();
  counting.snapshot(rows.slice(0, 30));
  const twice = [...rows.slice(0, 40), ...rows.slice(20)];
  t.strictSame(counting.totals(twice), { opened: 30, closed: 0, active: 60 });
});

t.test(
  'an entry is counted once when only its second copy is where it was last time',
  async (t) => {
    const rows = many(40);
    const counting = new Counting();
    counting.snapshot(rows);
    const early = [...rows.slice(20, 22), ...rows];
    t.strictSame(counting.totals(early), { opened: 0, closed: 0, active: 40 });
    t.strictSame(counting.totals(rows), { opened: 0, closed: 0, active: 40 });
  },
);

t.test('an entry that is sent twice can be used again meanwhile', async (t) => {
  const counting = new Counting();
  counting.snapshot([]);
  counting.snapshot(many(20, { state: TIME_WAIT }).toReversed());
  const again = many(20);
  t.strictSame(counting.totals([...again, ...again]), { opened: 20, closed: 20, active: 20 });
});
