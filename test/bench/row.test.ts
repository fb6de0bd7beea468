import t from 'tap';
import { atLeast, atMost, tableOf } from './row.ts';
import { medianOf, tell, toldSpread } from './spread.ts';

t.test('a bar is not met where nothing was measured', async (t) => {
  t.match(atMost(20, 'ms', 20), { text: '≤ 20 ms', isMet: true });
  t.match(atMost(20, 'ms', 20.1), { isMet: false });
  t.match(atMost(20, 'ms', undefined), { isMet: false });
  t.match(atLeast(25, '×', 25), { isMet: true });
  t.match(atLeast(25, '×', undefined), { isMet: false });
});

t.test('a line of the table tells the median, its range and whether the bar is met', async (t) => {
  const ratio = { median: 1.304, low: 1.2, high: 1.4 };
  const row = { scenario: 'a', ratio, against: 'b', rssMb: 99.6, bar: atMost(1.25, '×', 1.304) };
  const lines = tableOf([
    { ...row, what: 'first' },
    { ...row, what: 'second' },
  ]).split('\n');
  t.match(
    lines[2],
    '| a | first | 1.3 × (1.2 to 1.4) | b |  | 100 MB |  | ≤ 1.25 × | **not met** |',
  );
  t.match(lines[3], '|  | second |', 'a scenario is named once');
});

t.test('what was measured in no round is null in JSON, and nothing in the table', async (t) => {
  t.ok(Number.isNaN(medianOf([])));
  const told = tell({ ms: [3, 1, 2], none: [] });
  t.strictSame([told.ms, told.ms_range], [2, [1, 3]]);
  const { none, none_range } = JSON.parse(JSON.stringify(told));
  t.equal(toldSpread(none, none_range), undefined);
});
