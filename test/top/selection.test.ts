import t from 'tap';
import { columnsOf } from '../../src/top/columns.ts';
import { groupBy } from '../../src/top/grouping.ts';
import { filtered, sorted } from '../../src/top/selection.ts';
import { edge, pod } from '../builders/edges.ts';

const ROWS = groupBy('edge', [
  edge(pod('web-0', '10.1.0.11'), { active: 5, leakScore: 0.5 }),
  edge(pod('cart-0', '10.1.0.12'), { active: 5 }),
  edge({ ip: '203.0.113.10' }, { active: 7, leakScore: 0.9 }, { port: '8080' }),
]);
const COLUMNS = columnsOf(ROWS.map(({ values }) => values));

const sources = (rows: typeof ROWS) => rows.map(({ names }) => names[0]);

const found = (filter: string) => sources(filtered(ROWS, filter));

function by(sort: string, isReversed = false) {
  const column = COLUMNS.find(({ name }) => name === sort);
  return sources(sorted(ROWS, { column, isReversed }));
}

t.test(
  'a filter looks for each of its words, in any case, also in addresses and apps',
  async (t) => {
    t.strictSame(found(''), ['shop/web-0', 'shop/cart-0', '203.0.113.10']);
    t.strictSame(found('WEB'), ['shop/web-0']);
    t.strictSame(found('shop/api 8080'), ['203.0.113.10']);
    t.strictSame(found('cart service'), ['shop/cart-0']);
    t.strictSame(found('web 8080'), []);
  },
);

t.test('rows are sorted by a number, the largest first, and equal ones by name', async (t) => {
  t.strictSame(by('active'), ['203.0.113.10', 'shop/cart-0', 'shop/web-0']);
  t.strictSame(by('active', true), ['shop/cart-0', 'shop/web-0', '203.0.113.10']);
  t.strictSame(by('name'), ['203.0.113.10', 'shop/cart-0', 'shop/web-0']);
  t.strictSame(by('name', true), ['shop/web-0', 'shop/cart-0', '203.0.113.10']);
});

t.test('a row without the number is last, whatever the order', async (t) => {
  const column = COLUMNS.find(({ name }) => name === 'leak-score');
  for (const isReversed of [false, true]) {
    t.equal(sources(sorted(ROWS, { column, isReversed })).at(-1), 'shop/cart-0');
  }
});
