import t from 'tap';
import { Failure } from '../../src/runtime/failure.ts';
import { Agents, type PageSource } from '../../src/top/agents.ts';
import { AgentPage } from '../builders/agent-page.ts';
import { SeriesBuilder } from '../builders/series.ts';

const { signal } = new AbortController();

/** A source that gives these pages, one after the other; an Error in the place of one is thrown. */
function sourceOf(name: string, ...pages: readonly (string | Error)[]): PageSource {
  const left = [...pages];
  return {
    name,
    async read() {
      const page = left.shift() ?? new Error('no more');
      if (page instanceof Error) throw page;
      return page;
    },
  };
}

async function pageOf(nodeName: string, ...opened: readonly [count: number, primary: boolean][]) {
  const series = opened.map(
    ([count, primary]) => new SeriesBuilder({ labels: { node: nodeName, primary }, opened: count }),
  );
  return new AgentPage({ nodeName }).after(1_000_000, series);
}

function openedIn(agents: Agents): number {
  return Array.from(agents.edges(), ({ values }) => values.opened ?? 0).reduce((a, b) => a + b, 0);
}

t.test('of one agent all connections count, of several each connection once', async (t) => {
  const a = await pageOf('node-a', [3, true], [5, false]);
  const b = await pageOf('node-b', [4, true], [3, false]);
  const one = new Agents([sourceOf('a', a)]);
  await one.refresh(signal);
  t.equal(openedIn(one), 8);
  const both = new Agents([sourceOf('a', a), sourceOf('b', b)]);
  await both.refresh(signal);
  t.equal(openedIn(both), 7);
});

t.test('an agent that does not answer keeps its last page, and says why', async (t) => {
  const page = await pageOf('node-a', [3, true]);
  const agents = new Agents([sourceOf('a', page, new Error('ECONNREFUSED'))]);
  await agents.refresh(signal);
  t.equal(agents.states[0]?.fault, undefined);
  await agents.refresh(signal);
  t.equal(openedIn(agents), 3);
  t.match(agents.states[0]?.fault, { message: 'Cannot read a: ECONNREFUSED' });
});

t.test('a Failure is passed on as it is', async (t) => {
  const failure = new Failure('Cannot read the table', { exitCode: 77 });
  const agents = new Agents([sourceOf('the kernel', failure)]);
  await agents.refresh(signal);
  t.equal(agents.states[0]?.fault, failure);
});

t.test('two addresses of one agent are refused', async (t) => {
  const page = await pageOf('node-a', [3, true]);
  const agents = new Agents([sourceOf('a', page), sourceOf('b', page)]);
  await t.rejects(agents.refresh(signal), {
    message: 'Cannot add up a and b: both are the agent of node-a',
  });
});

t.test('as many agents as there are nodes', async (t) => {
  const names = Array.from({ length: 11 }, (_, at) => `node-${at}`);
  const pages = await Promise.all(names.map(async (name) => pageOf(name, [1, true])));
  const agents = new Agents(names.map((name, at) => sourceOf(name, pages[at] ?? '')));
  await agents.refresh(signal);
  t.equal(openedIn(agents), 11);
  t.strictSame(
    agents.states.map(({ reading }) => reading?.health.node),
    names,
  );
});

t.test('what is aborted changes nothing', async (t) => {
  const agents = new Agents([sourceOf('a', await pageOf('node-a', [3, true]))]);
  await t.rejects(agents.refresh(AbortSignal.abort()), { name: 'AbortError' });
  t.equal(openedIn(agents), 0);
});
