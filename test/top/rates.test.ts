import t from 'tap';
import { CLOSED, OPENED, TRAFFIC } from '../../src/connections/measure.ts';
import { Rates } from '../../src/top/rates.ts';
import { readPage, type Reading } from '../../src/top/reading.ts';
import { AgentPage } from '../builders/agent-page.ts';
import { SeriesBuilder } from '../builders/series.ts';

const ALL = { isPrimaryOnly: false };

/** An agent that is looked at, with one edge at first. */
function watched() {
  const agent = new AgentPage();
  const rates = new Rates();
  const edge = new SeriesBuilder({ labels: { src_ip: '10.1.0.1' } });
  const series = [edge];
  const look = async (page: string): Promise<Reading> => {
    const reading = await readPage(page, ALL);
    rates.addTo(reading);
    return reading;
  };
  return {
    edge,
    series,
    rates,
    again: async () => look(await agent.render()),
    snapshot: async (takenAtMs: number) => look(await agent.after(takenAtMs, series)),
  };
}

function ratesOf({ edges }: Reading) {
  return Array.from(edges.values(), ({ values }) => values.openedPerSecond);
}

t.test('there are no rates before there is a second snapshot', async (t) => {
  const { edge, snapshot, again, rates } = watched();
  edge.set(OPENED, 5);
  t.strictSame(ratesOf(await snapshot(10_000)), [undefined]);
  t.strictSame(ratesOf(await again()), [undefined]);
  t.equal(rates.seconds, undefined);
});

t.test('a rate is per second between two snapshots, however often a page is read', async (t) => {
  const { edge, snapshot, again, rates } = watched();
  edge.set(OPENED, 5);
  edge.set(CLOSED, 1);
  for (const measure of TRAFFIC) edge.set(measure, 1000);
  await snapshot(10_000);
  await again();
  edge.set(OPENED, 65);
  edge.set(CLOSED, 31);
  for (const measure of TRAFFIC) edge.set(measure, 4000);
  const first = await snapshot(40_000);
  const second = await again();
  for (const reading of [first, second]) {
    t.match([...reading.edges.values()][0]?.values, {
      openedPerSecond: 2,
      closedPerSecond: 1,
      bytesToServerPerSecond: 100,
      bytesToClientPerSecond: 100,
    });
  }
  t.equal(rates.seconds, 30);
});

t.test('a series that is new counts from 0, and so does one that comes back', async (t) => {
  const { edge, series, snapshot } = watched();
  edge.set(OPENED, 50);
  await snapshot(10_000);
  edge.set(OPENED, 20);
  series.push(new SeriesBuilder({ labels: { src_ip: '10.1.0.2' }, opened: 40 }));
  t.strictSame(ratesOf(await snapshot(20_000)), [2, 4]);
});

t.test('what was held at 0 is told once, also when it shows between two snapshots', async (t) => {
  const rates = new Rates();
  const looked = async (takenAtSeconds: number, opened: number) => {
    const page = `khan_agent_cycles_total{result="success"} ${takenAtSeconds}
khan_agent_snapshot_time_seconds ${takenAtSeconds}
khan_connection_total{src_ip="10.1.0.1"} ${opened}
`;
    const reading = await readPage(page, ALL);
    rates.addTo(reading);
    return ratesOf(reading);
  };
  await looked(10, 0);
  t.strictSame(await looked(20, 0), [0]);
  t.strictSame(await looked(20, 30), [3]);
  t.strictSame(await looked(30, 30), [0]);
});

t.test('an agent that was started anew has no rates until its second snapshot', async (t) => {
  const rates = new Rates();
  const looked = async (agent: AgentPage, takenAtMs: number, opened: number) => {
    const reading = await readPage(
      await agent.after(takenAtMs, [new SeriesBuilder({ opened })]),
      ALL,
    );
    rates.addTo(reading);
    return ratesOf(reading);
  };
  const before = new AgentPage();
  await looked(before, 10_000, 0);
  t.strictSame(await looked(before, 20_000, 10), [1]);
  const after = new AgentPage();
  t.strictSame(await looked(after, 30_000, 500), [undefined]);
  t.strictSame(await looked(after, 40_000, 510), [1]);
});

t.test('a clock that was set back gives no rates', async (t) => {
  const { edge, snapshot } = watched();
  await snapshot(20_000);
  edge.set(OPENED, 5);
  t.strictSame(ratesOf(await snapshot(10_000)), [undefined]);
});
