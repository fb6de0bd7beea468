import t from 'tap';
import {
  CLOSED,
  HALF_CLOSED,
  IDLE,
  OLDEST,
  OPENED,
  TRAFFIC,
  UNANSWERED,
} from '../../src/connections/measure.ts';
import { IDLE_BANDS } from '../../src/connections/signals.ts';
import { keyOf, readPage } from '../../src/top/reading.ts';
import { AgentPage } from '../builders/agent-page.ts';
import { SeriesBuilder } from '../builders/series.ts';

const ALL = { isPrimaryOnly: false };

async function valuesOf(page: string) {
  const { edges } = await readPage(page, ALL);
  return [...edges.values()].map(({ values }) => values);
}

t.test('a page without a snapshot says only how the agent does', async (t) => {
  const { health, edges } = await readPage(await new AgentPage().render(), ALL);
  t.strictSame(health, { cycles: 0, failedCycles: 0 });
  t.equal(edges.size, 0);
});

t.test('a page says of when it is, and how the table and its agent do', async (t) => {
  const page = await new AgentPage().after(1_700_000_000_250, [new SeriesBuilder()]);
  t.strictSame((await readPage(`${page}khan_mapping_stale 1\n`, ALL)).health, {
    node: 'node-a',
    entries: 7,
    limit: 262_144,
    takenAtMs: 1_700_000_000_250,
    cycles: 1,
    failedCycles: 0,
    isMappingStale: true,
  });
});

t.test(
  'every signal that an agent writes is read, and those of one edge are together',
  async (t) => {
    const series = new SeriesBuilder({
      labels: { node: 'node-a', src_ip: '10.1.0.1', primary: true },
      active: { ESTABLISHED: 3, OFFLOAD: 2, TIME_WAIT: 4 },
    });
    series.set(OPENED, 20);
    series.set(CLOSED, 11);
    series.set(UNANSWERED, 1);
    for (const [at, measure] of IDLE.entries()) series.set(measure, 10 ** at);
    for (const [at, measure] of HALF_CLOSED.entries()) series.set(measure, 1 + at);
    for (const measure of TRAFFIC) {
      if (measure.signal === 'bytes')
        series.set(measure, measure.value === 'to_server' ? 500 : 900);
      else series.set(measure, 7);
    }
    const gauges = [{ series, measure: OLDEST.exact, value: 86_400.5 }];
    const page = await new AgentPage().after(1_000_000, [series], gauges);
    const { edges } = await readPage(page, ALL);
    t.strictSame(
      [...edges.values()],
      [
        {
          labels: { node: 'node-a', src_ip: '10.1.0.1', primary: 'true' },
          values: {
            opened: 20,
            closed: 11,
            bytesToServer: 500,
            bytesToClient: 900,
            active: 9,
            established: 5,
            idle: idleFor10Minutes(),
            halfClosed: 3,
            unanswered: 1,
            oldestSeconds: 86_400.5,
          },
        },
      ],
    );
  },
);

function idleFor10Minutes(): number {
  return ['10m_1h', '1h_1d', 'ge_1d'].reduce(
    (sum, band) => sum + 10 ** IDLE_BANDS.findIndex((each) => each === band),
    0,
  );
}

t.test('verdicts are read where an agent gives them', async (t) => {
  const page = `khan_agent_cycles_total{result="success"} 1
khan_connection_orphaned{src_ip="10.1.0.1"} 4
khan_connection_leak_score{src_ip="10.1.0.1"} 0.75
`;
  t.strictSame(await valuesOf(page), [{ orphaned: 4, leakScore: 0.75 }]);
});

t.test('a band that does not count as idle is 0 and not unknown', async (t) => {
  const page = `khan_agent_cycles_total{result="success"} 1
khan_connection_idle{src_ip="10.1.0.1",idle="lt_1m"} 4
`;
  t.strictSame(await valuesOf(page), [{ idle: 0 }]);
});

t.test('where several agents are added up, only primary connections count', async (t) => {
  const series = [true, false].map(
    (primary) => new SeriesBuilder({ labels: { node: 'node-a', primary }, opened: 1 }),
  );
  const page = await new AgentPage().after(1_000_000, series);
  const labelsOf = async (isPrimaryOnly: boolean) => {
    const { edges } = await readPage(page, { isPrimaryOnly });
    return Array.from(edges.values(), ({ labels }) => labels['primary']);
  };
  t.strictSame(await labelsOf(false), ['true', 'false']);
  t.strictSame(await labelsOf(true), ['true']);
});

t.test('what is no page of an agent is an error', async (t) => {
  await t.rejects(readPage('up 1\n', ALL), {
    message: "it has no khan_agent_cycles_total: no page of khan's agent",
  });
  await t.rejects(readPage('<!doctype html>\n', ALL), {
    message: 'Cannot read line 1 of the page: <!doctype html>',
  });
});

t.test(
  'a page of 100,000 samples is read in slices, so that keys are heard meanwhile',
  async (t) => {
    const lines = Array.from(
      { length: 100_000 },
      (_, at) => `khan_connection_active{src_ip="10.1.${(at >> 8) % 80}.${at & 255}"} 1\n`,
    );
    const turns = { count: 0, isOver: false };
    const takeTurn = (): void => {
      turns.count++;
      if (!turns.isOver) setImmediate(takeTurn);
    };
    setImmediate(takeTurn);
    const values = await valuesOf(`khan_agent_cycles_total{result="success"} 1\n${lines.join('')}`);
    turns.isOver = true;
    t.equal(values.length, 80 * 256);
    t.equal(
      values.reduce((sum, { active = 0 }) => sum + active, 0),
      100_000,
    );
    t.ok(turns.count >= 10, `${turns.count} turns`);
  },
);

t.test('labels that read alike are still others', async (t) => {
  const twins = [{ a: '1', b: '2' }, { a: '1b=1:2' }, { a: '1\nb=2' }, { b: '2' }];
  t.equal(new Set(twins.map((labels) => keyOf(labels))).size, twins.length);
  t.equal(keyOf({ a: '1', state: 'CLOSE', b: '2' }, 'state'), keyOf({ a: '1', b: '2' }));
});
