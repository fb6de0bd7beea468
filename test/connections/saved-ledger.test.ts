import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import type { Series } from '../../src/connections/series.ts';
import { anyHistory, play, type Told } from '../builders/ledger-history.ts';
import { countsOf } from '../builders/series.ts';

const byText = (a: object, b: object) => JSON.stringify(a).localeCompare(JSON.stringify(b));

/** What a series says; a state that it had and has no more says nothing. */
function said(series: Series<object>) {
  const { labels, startTimeMs, publishedAtMs } = series;
  const { opened, closed, active } = countsOf(series);
  const now = [...active].filter(([, count]) => count > 0).toSorted(byText);
  return { labels, startTimeMs, publishedAtMs, opened, closed, active: now };
}

function allSaid({ takenAtMs, series, ended, ledger }: Told) {
  return {
    takenAtMs,
    series: series.map(said).toSorted(byText),
    ended: ended.map(said).toSorted(byText),
    size: { ...ledger.size },
  };
}

t.test('a ledger that goes on says what one says that never ended', async (t) => {
  let resumed = 0;
  const property = fc.property(anyHistory, (steps) => {
    const endless = Array.from(play(steps, { seriesMax: 1000 }), allSaid);
    const resuming = Array.from(play(steps, { seriesMax: 1000, resumes: true }), allSaid);
    assert.deepEqual(resuming, endless);
    resumed += steps.filter(({ resume }) => resume).length;
  });
  fc.assert(property, { numRuns: 300 });
  t.ok(resumed > 100, `${resumed} ledgers went on`);
});

t.test(
  'with few series too, every increment is in one of them, and no counter falls',
  async (t) => {
    for (const seriesMax of [0, 1, 3]) {
      const property = fc.property(anyHistory, (steps) => {
        const last = new Map<string, { opened: number; closed: number }>();
        let [opened, closed] = [0, 0];
        for (const told of play(steps, { seriesMax, resumes: true })) {
          for (const row of told.rows) {
            opened += row.opened;
            closed += row.closed;
          }
          for (const series of told.series) {
            const { labels, startTimeMs, publishedAtMs, ...counts } = said(series);
            const key = JSON.stringify({ labels, startTimeMs, publishedAtMs });
            const before = last.get(key) ?? { opened: 0, closed: 0 };
            assert.ok(counts.opened >= before.opened && counts.closed >= before.closed, key);
            last.set(key, counts);
          }
          const all = [...last.values()];
          assert.equal(
            all.reduce((sum, one) => sum + one.opened, 0),
            opened,
          );
          assert.equal(
            all.reduce((sum, one) => sum + one.closed, 0),
            closed,
          );
        }
      });
      fc.assert(property, { numRuns: 300 });
    }
    t.pass();
  },
);
