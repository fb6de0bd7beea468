import t from 'tap';
import { DurationBook } from '../../src/connections/duration-book.ts';
import type { DurationSeries } from '../../src/connections/series.ts';
import { addDuration, DURATION_COLUMNS } from '../../src/connections/durations.ts';
import type { Edge, Endpoint } from '../../src/connections/edge.ts';

const TTL_MS = 60_000;
const named = (app: string): Endpoint => ({
  address: '10.1.0.1',
  identity: { type: 'pod', name: `${app}-0`, app },
  node: 'node-a',
  hasEnded: false,
});

function edge(app: string, different: Partial<Edge> = {}): Edge {
  return {
    source: named(app),
    destination: named('api'),
    backend: named('api'),
    protocol: 6,
    port: 80,
    backendPort: 80,
    sourceTranslated: false,
    primary: true,
    ...different,
  };
}

/** The numbers of connections that lasted so many seconds, behind those of another edge. */
function columns(...seconds: readonly number[]) {
  const numbers = new Float64Array(2 * DURATION_COLUMNS).fill(99, 0, DURATION_COLUMNS);
  for (const one of seconds) addDuration(one, numbers, DURATION_COLUMNS);
  return { numbers, at: DURATION_COLUMNS };
}

/** A snapshot, a second after the one before. */
const taken = (timeMs: number) => ({ startTimeMs: timeMs - 1000, publishedAtMs: timeMs });

function createBook() {
  const book = new DurationBook<object>({
    seriesTtlMs: TTL_MS,
    describe: ({ source, port, primary }) => ({ app: source.identity?.app, port, primary }),
    describeOverflow: (primary) => ({ overflow: true, primary }),
  });
  return book;
}

const countsOf = (series: readonly DurationSeries<object>[]) =>
  series.map(({ counts }) => [counts.count, counts.sumSeconds]);

t.test('a duration is in the first bucket whose limit it does not exceed', async (t) => {
  const bucketOf = (seconds: number) => {
    const { numbers, at } = columns(seconds);
    t.equal(numbers[at], seconds);
    return numbers.subarray(at + 1).indexOf(1);
  };
  t.strictSame([0, 0.01, 0.011, 1, 86_400, 86_401].map(bucketOf), [0, 0, 1, 4, 10, 11]);
});

t.test('a new series is told as 0 first, and what it has counted with the next', async (t) => {
  const book = createBook();
  book.add(edge('web'), columns(0.5, 2), taken(1000));
  t.match(book.publish(1000), [{ startTimeMs: 0, counts: { count: 0, sumSeconds: 0 } }]);
  t.strictSame(countsOf(book.publish(2000)), [[2, 2.5]]);
  book.add(edge('web'), columns(1), taken(3000));
  const [series] = book.publish(3000);
  t.strictSame(series?.counts.buckets, [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
});

t.test('counts are another object when they change, and only then', async (t) => {
  const book = createBook();
  book.add(edge('web'), columns(1), taken(1000));
  book.publish(1000);
  const first = book.publish(2000)[0]?.counts;
  t.equal(book.publish(3000)[0]?.counts, first);
  book.add(edge('web'), columns(1), taken(4000));
  t.not(book.publish(4000)[0]?.counts, first);
  t.equal(first?.count, 1, 'the old one stays as it was');
});

t.test('an edge of which nothing has ended makes no series', async (t) => {
  const book = createBook();
  book.add(edge('web'), columns(), taken(1000));
  t.strictSame(book.publish(1000), []);
});

t.test('edges with the same labels share a series, others do not', async (t) => {
  const book = createBook();
  for (const one of [
    edge('web'),
    edge('web', { destination: named('db') }),
    edge('web', { port: 443 }),
    edge('web', { primary: false }),
    edge('job'),
    { ...edge('web'), source: { ...named('web'), identity: undefined } },
  ]) {
    book.add(one, columns(1), taken(1000));
  }
  book.publish(1000);
  t.strictSame(countsOf(book.publish(2000)), [
    [2, 2],
    [1, 1],
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
});

t.test('above the maximum the others share an overflow series', async (t) => {
  const book = createBook();
  for (let port = 0; port < 700; port++) book.add(edge('web', { port }), columns(1), taken(1000));
  book.publish(1000);
  const series = book.publish(2000);
  t.equal(series.length, 501);
  t.match(series.at(-1), { labels: { overflow: true, primary: true }, counts: { count: 200 } });
});

t.test('a series without news is forgotten, and makes room', async (t) => {
  const book = createBook();
  for (let port = 0; port < 501; port++) book.add(edge('web', { port }), columns(1), taken(1000));
  book.publish(1000);
  book.add(edge('web', { port: 7 }), columns(1), taken(2000));
  t.equal(book.publish(1000 + TTL_MS).length, 1);
  book.add(edge('web', { port: 500 }), columns(1), taken(90_000));
  const back = book.publish(90_000);
  t.strictSame(
    back.map(({ labels, startTimeMs }) => ({ ...labels, startTimeMs })),
    [{ app: 'web', port: 500, primary: true, startTimeMs: 89_000 }],
    'a series of its own now, which begins anew',
  );
});
