import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import type { Series } from '../../src/connections/series.ts';
import { stateName } from '../../src/conntrack/state.ts';
import {
  anyHistory,
  play,
  SERIES_TTL_MS,
  type Labels,
  type Told,
} from '../builders/ledger-history.ts';
import { CLOSED, OPENED } from '../../src/connections/measure.ts';
import { countsOf, valueOf } from '../builders/series.ts';
import type { Route } from '../builders/simulated-table.ts';

const TCP = 6;

interface Expected {
  labels: Labels;
  startTimeMs: number;
  publishedAtMs: number;
  opened: number;
  closed: number;
  active: Record<string, number>;
}

/** The ledger without bounds, as plainly as it can be said. */
class Model {
  readonly #series = new Map<string, Expected>();
  readonly #seenAtMs = new Map<string, number>();
  #lastTakenAtMs: number | undefined;

  enter({ takenAtMs, rows }: Told): Expected[] {
    for (const { active } of this.#series.values()) {
      for (const state of Object.keys(active)) active[state] = 0;
    }
    for (const key of this.#series.keys()) {
      const isSeen = rows.some((row) => row.key === key);
      const idleMs = takenAtMs - this.#seenAtMs.get(key)!;
      if (!isSeen && idleMs >= SERIES_TTL_MS) this.#series.delete(key);
    }
    for (const { key, labels, route, opened, closed, slots } of rows) {
      const series = this.#series.get(key) ?? {
        labels,
        startTimeMs: this.#lastTakenAtMs ?? takenAtMs,
        publishedAtMs: takenAtMs,
        opened: 0,
        closed: 0,
        active: {},
      };
      this.#series.set(key, series);
      series.opened += opened;
      series.closed += closed;
      this.#seenAtMs.set(key, takenAtMs);
      for (const slot of slots) {
        const state = stateName(route.protocol ?? TCP, slot);
        series.active[state] = (series.active[state] ?? 0) + 1;
      }
    }
    this.#lastTakenAtMs = takenAtMs;
    return [...this.#series.values()];
  }
}

const byLabels = (a: { labels: object }, b: { labels: object }) =>
  JSON.stringify(a.labels).localeCompare(JSON.stringify(b.labels));

type Check = (told: Told) => void;

/** `newCheck` makes the check of one history. */
function assertAlways(
  newCheck: () => Check,
  { seriesMax = 1_000, histories = anyHistory } = {},
): void {
  const property = fc.property(histories, (steps) => {
    const check = newCheck();
    for (const told of play(steps, { seriesMax })) check(told);
  });
  fc.assert(property, { numRuns: 300 });
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

function activeOf(series: Series<object>): number {
  return sum(countsOf(series).active.values(), (connections) => connections);
}

function isOverflow({ labels }: Series<object>): boolean {
  return 'overflow' in labels;
}

t.test('with room for all, the ledger says what the plain model says', async (t) => {
  assertAlways(() => {
    const model = new Model();
    return (told) => {
      const published = told.series.map((series) => {
        const { labels, startTimeMs, publishedAtMs } = series;
        const { active, ...counters } = countsOf(series);
        return {
          labels,
          startTimeMs,
          publishedAtMs,
          ...counters,
          active: Object.fromEntries(active),
        };
      });
      const expected = model.enter(told);
      assert.deepEqual(published.toSorted(byLabels), expected.toSorted(byLabels));
    };
  });
  t.pass();
});

t.test('opened − closed is the change of active, whatever is renamed', async (t) => {
  const first = {
    afterMs: 1,
    restart: false,
    resume: false,
    opens: [],
    closes: [],
    flashes: [],
    renames: [],
  };
  const histories = anyHistory.map((steps) => [
    first,
    ...steps.map((step) => ({ ...step, restart: false })),
  ]);
  for (const seriesMax of [1_000, 3]) {
    const newCheck = (): Check => {
      const everSeen = new Set<Series<object>>();
      return ({ series }) => {
        for (const one of series) everSeen.add(one);
        const balance = sum(everSeen, (one) => valueOf(one, OPENED) - valueOf(one, CLOSED));
        assert.equal(balance, sum(series, activeOf));
      };
    };
    assertAlways(newCheck, { seriesMax, histories });
  }
  t.pass();
});

for (const seriesMax of [0, 1, 3, 6]) {
  t.test(
    `with ${seriesMax} series at most, every increment is in one series, for ever`,
    async (t) => {
      assertAlways(
        () => {
          const counted = new Map<Series<object>, { opened: number; closed: number }>();
          const expected = { opened: 0, closed: 0 };
          let live: ReadonlySet<Series<object>> = new Set();
          return ({ rows, series }) => {
            expected.opened += sum(rows, ({ opened }) => opened);
            expected.closed += sum(rows, ({ closed }) => closed);
            for (const one of series) {
              const before = counted.get(one) ?? { opened: 0, closed: 0 };
              assert.ok(live.has(one) || !counted.has(one), 'an ended series came back');
              const { opened, closed } = countsOf(one);
              assert.ok(opened >= before.opened && closed >= before.closed, 'a counter fell');
              counted.set(one, { opened, closed });
            }
            live = new Set(series);
            for (const [one, { opened, closed }] of counted) {
              assert.deepEqual(
                [valueOf(one, OPENED), valueOf(one, CLOSED)],
                [opened, closed],
                'an ended series counted',
              );
            }
            assert.equal(
              sum(counted.values(), ({ opened }) => opened),
              expected.opened,
            );
            assert.equal(
              sum(counted.values(), ({ closed }) => closed),
              expected.closed,
            );
          };
        },
        { seriesMax },
      );
      t.pass();
    },
  );

  t.test(`with ${seriesMax} series at most, each shows all its connections or none`, async (t) => {
    assertAlways(
      () =>
        ({ rows, series, ledger }) => {
          const own = new Map(
            series
              .filter((one) => !isOverflow(one))
              .map((one) => [JSON.stringify(one.labels), one]),
          );
          assert.ok(own.size <= seriesMax);
          for (const [key, one] of own) {
            const connections = rows.filter((row) => row.key === key).flatMap(({ slots }) => slots);
            assert.equal(activeOf(one), connections.length);
          }
          const folded = rows.filter(({ key, slots }) => slots.length > 0 && !own.has(key));
          for (const primary of [true, false]) {
            const overflow = series.find(
              (one) => isOverflow(one) && 'primary' in one.labels && one.labels.primary === primary,
            );
            const connections = folded.filter(({ labels }) => labels.primary === primary);
            assert.equal(
              overflow ? activeOf(overflow) : 0,
              sum(connections, ({ slots }) => slots.length),
            );
          }
          assert.equal(
            new Set(series.map(({ labels }) => JSON.stringify(labels))).size,
            series.length,
          );
          assert.equal(ledger.size.series, series.length);
          assert.equal(ledger.size.overflowEdges, folded.length);
          assert.equal(
            ledger.size.edges,
            sum(rows, ({ slots }) => Math.min(1, slots.length)),
          );
        },
      { seriesMax },
    );
    t.pass();
  });

  t.test(`with ${seriesMax} series at most, the largest that stay have them`, async (t) => {
    assertAlways(
      () => {
        let last: ReadonlySet<Route> = new Set();
        return ({ rows, series }) => {
          const own = series.filter((one) => !isOverflow(one));
          const keys = new Set(own.map(({ labels }) => JSON.stringify(labels)));
          const folded = Map.groupBy(rows, ({ key }) => key);
          for (const [key, edges] of folded) {
            const connections = sum(edges, ({ slots }) => slots.length);
            if (keys.has(key) || connections === 0) continue;
            assert.equal(own.length, seriesMax, 'there was room');
            if (!edges.some(({ route }) => last.has(route))) continue;
            for (const one of own) assert.ok(connections <= 2 * activeOf(one));
          }
          last = new Set(rows.filter(({ slots }) => slots.length > 0).map(({ route }) => route));
        };
      },
      { seriesMax },
    );
    t.pass();
  });

  t.test(`with ${seriesMax} series at most, each that leaves is told to have ended`, async (t) => {
    assertAlways(
      () => {
        let live: ReadonlySet<Series<object>> = new Set();
        return ({ series, ended }) => {
          const left = live.difference(new Set(series));
          const published = ended.filter((one) => live.has(one));
          assert.deepEqual(new Set(published), left);
          for (const one of ended) {
            assert.equal(activeOf(one), 0);
            assert.ok(
              live.has(one) || valueOf(one, OPENED) + valueOf(one, CLOSED) === 0,
              'it was never published',
            );
          }
          live = new Set(series);
        };
      },
      { seriesMax },
    );
    t.pass();
  });

  t.test(`with ${seriesMax} series at most, each starts when it was last 0`, async (t) => {
    assertAlways(
      () => {
        const known = new Set<Series<object>>();
        let lastTakenAtMs: number | undefined;
        return ({ takenAtMs, series }) => {
          for (const one of series) {
            if (known.has(one)) continue;
            known.add(one);
            assert.equal(one.startTimeMs, lastTakenAtMs ?? takenAtMs);
            assert.equal(one.publishedAtMs, takenAtMs);
          }
          for (const one of known)
            assert.ok(!isOverflow(one) || series.includes(one), 'overflow ended');
          lastTakenAtMs = takenAtMs;
        };
      },
      { seriesMax },
    );
    t.pass();
  });
}
