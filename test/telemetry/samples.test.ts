import { assert, property, string } from 'fast-check';
import t from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';

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
