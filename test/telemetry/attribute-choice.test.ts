import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import type { Series } from '../../src/connections/series.ts';
import {
  ATTRIBUTE_GROUPS,
  connectionAttributes,
  DROPPABLE,
  type AttributeChoice,
} from '../../src/telemetry/attributes.ts';
import { anyHistory, play } from '../builders/ledger-history.ts';
import { countsOf } from '../builders/series.ts';

const anyChoice: fc.Arbitrary<AttributeChoice> = fc.record({
  groups: fc.subarray([...ATTRIBUTE_GROUPS]),
  dropped: fc.subarray([...DROPPABLE]),
  externalPrefix: fc.record({ ipv4: fc.nat(32), ipv6: fc.nat(128) }),
});

interface Counted {
  readonly opened: number;
  readonly closed: number;
}

function sum<T>(items: Iterable<T>, of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}

t.test('whatever attributes are chosen, totals are exact and counters only grow', async (t) => {
  let merged = 0;
  fc.assert(
    fc.property(anyHistory, anyChoice, fc.constantFrom(1000, 4), (history, choice, seriesMax) => {
      const counted = new Map<Series<object>, Counted>();
      const truth = { opened: 0, closed: 0 };
      const describe: Parameters<typeof play>[1]['describe'] = (edge) =>
        connectionAttributes(edge, 'node-a', choice);
      for (const { rows, series } of play(history, { seriesMax, describe })) {
        truth.opened += sum(rows, ({ opened }) => opened);
        truth.closed += sum(rows, ({ closed }) => closed);
        for (const one of series) {
          const { opened, closed } = countsOf(one);
          const before = counted.get(one) ?? { opened: 0, closed: 0 };
          assert.ok(opened >= before.opened && closed >= before.closed, 'a counter fell');
          counted.set(one, { opened, closed });
        }
        assert.deepEqual(
          {
            opened: sum(counted.values(), ({ opened }) => opened),
            closed: sum(counted.values(), ({ closed }) => closed),
          },
          truth,
        );
        assert.equal(
          sum(series, (one) => sum(countsOf(one).active.values(), Number)),
          sum(rows, ({ slots }) => slots.length),
        );
        for (const primary of [true, false]) {
          assert.equal(
            sum(
              series.filter(({ labels }) => Object(labels).primary === primary),
              (one) => sum(countsOf(one).active.values(), Number),
            ),
            sum(
              rows.filter(({ labels }) => labels.primary === primary),
              ({ slots }) => slots.length,
            ),
            `primary ${primary}`,
          );
        }
        const keys = new Set(series.map(({ labels }) => JSON.stringify(labels)));
        assert.equal(keys.size, series.length, 'two series with the same attributes');
        const edges = new Set(rows.map(({ route }) => JSON.stringify(route)));
        if (series.length < edges.size) merged++;
      }
    }),
    { numRuns: 500 },
  );
  t.ok(merged > 100, `edges shared a series in ${merged} snapshots`);
});
