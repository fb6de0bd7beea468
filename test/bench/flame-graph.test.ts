import t from 'tap';
import { callTree, costliest, type CpuProfile } from './cpu-profile.ts';
import { flameGraph } from './flame-graph.ts';

function node(id: number, functionName: string, children: readonly number[] = []) {
  return { id, callFrame: { functionName, url: '', lineNumber: 0 }, children };
}

/** main calls read for 3 ms, and bench for 1 ms, which calls read for 2 ms; then it waits. */
const PROFILE: CpuProfile = {
  nodes: [
    node(1, '(root)', [2, 6]),
    node(2, 'main', [3, 4]),
    node(3, 'read'),
    node(4, 'bench', [5]),
    node(5, 'read'),
    node(6, '(idle)'),
  ],
  samples: [3, 4, 5, 6],
  timeDeltas: [0, 3000, 1000, 2000, 9000],
};

t.test(
  'a call tree has what was called, without waiting and without what is left out',
  async (t) => {
    const root = callTree(PROFILE, ({ functionName }) =>
      functionName === 'bench' ? undefined : { name: functionName, place: '' },
    );
    t.equal(root.totalUs, 5000);
    t.strictSame(
      [...root.children.values()].map(({ name, totalUs, selfUs }) => [name, totalUs, selfUs]),
      [['main', 5000, 0]],
    );
    t.match(costliest(root, 1), [{ name: 'read', selfUs: 5000 }]);
  },
);

t.test('a flame graph leaves out frames that nobody could see', async (t) => {
  const root = callTree(
    { ...PROFILE, timeDeltas: [0, 3_000_000, 1, 1, 0] },
    ({ functionName }) => ({ name: `${functionName}<T>`, place: '' }),
  );
  const svg = flameGraph([{ title: 'a & b', root }]);
  t.match(svg, '>a &amp; b<');
  t.match(svg, /read&lt;T&gt; 100\.0 %/);
  t.notMatch(svg, 'bench');
});
