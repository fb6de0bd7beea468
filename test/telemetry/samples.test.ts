import {
  array,
  assert,
  asyncProperty,
  dictionary,
  double,
  property,
  string,
  stringMatching,
} from 'fast-check';
import t from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';
import { AgentPage } from '../builders/agent-page.ts';
import { SeriesBuilder } from '../builders/series.ts';
import { activeIn, OLDEST } from '../../src/connections/measure.ts';

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

t.test('samples are read with their labels, comments and empty lines are not samples', (t) => {
  const page = `# HELP a_total Things
# TYPE a_total counter
a_total{x="1",y="two words"} 3

b 1.5e3 1700000000000
`;
  t.same(parsePage(page), [
    { name: 'a_total', labels: { x: '1', y: 'two words' }, value: 3 },
    { name: 'b', labels: {}, value: 1500 },
  ]);
  t.end();
});

t.test('values that are no numbers in JavaScript are read too', (t) => {
  const values = parsePage('a +Inf\nb -Inf\nc NaN\n').map(({ value }) => value);
  t.same(values, [Infinity, -Infinity, NaN]);
  t.end();
});

t.test('any text survives as a label value', (t) => {
  assert(
    property(string({ unit: 'binary' }), (text) => {
      const [sample] = parsePage(`a{x="${escape(text)}",y="end"} 1\n`);
      t.strictSame(sample?.labels, { x: text, y: 'end' });
    }),
  );
  t.end();
});

t.test('whatever the page says, it is read as it was meant', async (t) => {
  const labels = dictionary(stringMatching(/^[a-z]{1,8}$/), string({ unit: 'binary' }), {
    maxKeys: 5,
    noNullPrototype: true,
  });
  const anySeries = array(labels, { minLength: 1, maxLength: 5 });
  await assert(
    asyncProperty(
      anySeries,
      double({ min: 0, noNaN: true, noDefaultInfinity: true }),
      async (all, value) => {
        // Two series of one set of labels are one series.
        const series = all.map((some, at) => new SeriesBuilder({ labels: { ...some, at } }));
        for (const each of series) each.set(activeIn('ESTABLISHED'), 7);
        const gauges = series.map((each) => ({ series: each, measure: OLDEST.exact, value }));
        const page = parsePage(await new AgentPage().after(1_000_000, series, gauges));
        const read = (name: string) => page.filter((sample) => sample.name === name);
        const meant = (own: object) => all.map((some, at) => ({ ...some, at: String(at), ...own }));
        t.strictSame(
          read('khan_connection_active').map((sample) => sample.labels),
          meant({ state: 'ESTABLISHED' }),
        );
        const oldest = read('khan_connection_oldest_seconds');
        t.strictSame(
          oldest.map((sample) => sample.labels),
          meant({ exact: 'true' }),
        );
        t.ok(
          oldest.every((sample) => sample.value === value),
          String(value),
        );
      },
    ),
  );
});

for (const line of [
  'a',
  'a one',
  'a{x="1" 2',
  'a{x=1} 2',
  'a{x="1"y="2"} 2',
  'a{x="1",x="2"} 2',
  'a{x="\\t"} 2',
  '1a 2',
  'a 1 2 3',
  'a 0x10',
]) {
  t.test(`a line that is not a sample is an error: ${line}`, (t) => {
    t.throws(() => parsePage(`b 1\n${line}\n`), {
      message: `Cannot read line 2 of the page: ${line}`,
    });
    t.end();
  });
}
