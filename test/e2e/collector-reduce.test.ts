/** reduce.yaml through what happens to agents, their series and their pushes. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { until } from '../demo/until.ts';
import { startCollector } from './collector.ts';
import { pointsIn } from './otlp-lines.ts';
import { pushTo } from './otlp-request.ts';
import { requireCollector } from './require-servers.ts';

const OPENED = { name: 'khan_connection', isMonotonic: true };
const ACTIVE = { name: 'khan_connection_active', isMonotonic: false };
const PODS = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];
const INTERVAL_MS = 1000;
const PUSH_MS = 100;
/** For some intervals. */
const ROUNDS = 40;

/** Each address has this many connections, now. */
function valuesOf(counts: Readonly<Record<string, number>>, startMs: number) {
  const timeMs = Date.now();
  return Object.entries(counts).map(([address, value]) => ({ address, value, startMs, timeMs }));
}

await requireCollector(t, async (program) => {
  /** A Collector that reduces, and the values that it has written, one after the other. */
  const start = async (t: Test) => {
    const file = join(t.testdir({}), 'points.jsonl');
    const { endpoint } = await startCollector(t, program, {
      files: ['gateway.yaml', 'reduce.yaml', 'to-file.yaml'],
      env: { OUTPUT_FILE: file, REDUCE_INTERVAL: `${INTERVAL_MS}ms` },
    });
    const points = (name: string) => pointsIn(file).filter(({ metric }) => metric === name);
    const values = (name: string) => points(name).map(({ value }) => value);
    return { endpoint, points, values };
  };

  t.test('a push that comes in several requests is summed up whole', async (t) => {
    const { endpoint, points, values } = await start(t);
    const startMs = Date.now();
    let round = 0;
    for (; round < ROUNDS; round++) {
      const timeMs = Date.now() + 1;
      for (const address of PODS) {
        const value = { address, startMs, timeMs };
        await pushTo(endpoint, [
          { ...OPENED, values: [{ ...value, value: 10 * round }] },
          { ...ACTIVE, values: [{ ...value, value: 1 }] },
        ]);
      }
      await delay(PUSH_MS);
    }
    const opened = PODS.length * 10 * (ROUNDS - 1);
    t.ok(await until(() => values(OPENED.name).at(-1) === opened), 'all that were opened');
    // Before the first interval, and after the last push, there may be parts.
    const [, ...open] = values(ACTIVE.name).slice(0, -1);
    t.ok(open.length > 1);
    t.ok(
      open.every((value) => value === PODS.length),
      'all that are open, never a part of them',
    );
    const attributes = points(OPENED.name).map((point) => JSON.stringify(point.attributes));
    t.equal(new Set(attributes).size, 1, 'they have become one series');
    const times = points(OPENED.name).map(({ timeNano }) => timeNano);
    t.equal(new Set(times).size, times.length, 'which has one value at a time');
    t.ok(times.length < ROUNDS, 'and less of them than there were pushes');
    t.match(points(OPENED.name).at(-1), {
      kind: 'cumulative',
      attributes: { src_app: 'web', dst_name: 'api', dst_port: 80, primary: true },
    });
  });

  t.test('a series that ends takes nothing away, and one that comes back adds', async (t) => {
    const { endpoint, values } = await start(t);
    const [first = '', second = ''] = PODS;
    const startMs = Date.now();
    const counts = { [first]: 5, [second]: 2 };
    await delay(2);
    await pushTo(endpoint, [{ ...OPENED, values: valuesOf(counts, startMs) }]);
    t.ok(await until(() => values(OPENED.name).at(-1) === 7));
    // Nobody has talked from there for a while.
    await pushTo(endpoint, [{ ...OPENED, values: valuesOf({ [second]: 3 }, startMs) }]);
    t.ok(await until(() => values(OPENED.name).at(-1) === 8));
    const again = { ...valuesOf({ [first]: 1 }, Date.now() - 1)[0]! };
    await pushTo(endpoint, [{ ...OPENED, values: [again, ...valuesOf({ [second]: 3 }, startMs)] }]);
    t.ok(await until(() => values(OPENED.name).at(-1) === 9));
    t.strictSame(
      values(OPENED.name),
      values(OPENED.name).toSorted((a, b) => a - b),
      'it never falls, which would look like a counter that began anew',
    );
  });

  t.test('an agent that was there before the Collector is counted from then on', async (t) => {
    const { endpoint, values } = await start(t);
    const startMs = Date.now() - 3_600_000;
    await pushTo(endpoint, [{ ...OPENED, values: valuesOf({ '10.1.0.11': 1000 }, startMs) }]);
    await delay(2);
    await pushTo(endpoint, [{ ...OPENED, values: valuesOf({ '10.1.0.11': 1004 }, startMs) }]);
    t.ok(await until(() => values(OPENED.name).at(-1) === 4));
    t.strictSame([...new Set(values(OPENED.name))], [4]);
  });
});
