import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import type { AddressTakeover } from '../../src/connections/snapshot.ts';
import { Counting } from '../builders/counting.ts';
import type { EdgeCounts } from '../builders/edge-reader.ts';
import { flow, flow6, type Flow } from '../builders/flow.ts';
import { identityOf, TallyModel } from '../builders/tally-model.ts';

const BEGAN_MS = 1_790_000_000_000;

/** Of 0: the kernel does not say. */
function startOf(value: number): bigint {
  return value === 0 ? 0n : BigInt(BEGAN_MS + value) * 1_000_000n;
}

/** Any flow out of few, so that ids, tuples and edges meet often. */
const anyOfFew = fc.nat(2 ** 31).map((number): Flow => {
  let rest = number;
  const next = (limit: number) => {
    const value = rest % limit;
    rest = Math.floor(rest / limit);
    return value;
  };
  const make = next(4) === 0 ? flow6 : flow;
  const protocol = [6, 6, 6, 17, 1, 47][next(6)]!;
  const address = make === flow6 ? 'fd00:10::' : '10.1.0.';
  const source = `${address}${1 + next(3)}`;
  const destination = `${address}${11 + next(2)}`;
  return make({
    protocol,
    source,
    destination,
    sourcePort: next(150),
    destinationPort: 80 + next(3),
    id: next(4),
    zone: next(8) === 0 ? 1 : 0,
    ...(next(3) === 0 ? { backend: `${address}${21 + next(2)}`, backendPort: 8080 } : {}),
    ...(next(5) === 0 ? { replyTo: `${address}99` } : {}),
    ...(protocol === 6 ? { state: next(10) } : { status: next(2) * 6 }),
    start: startOf(next(10)),
  });
});

const at = fc.nat(10_000);
const span = fc.record({ at, length: fc.nat(20) });
/** What can happen between two snapshots, and in a dump. */
const anyStep = fc.record({
  deaths: fc.array(span, { maxLength: 4 }),
  moves: fc.array(fc.record({ from: span, to: at }), { maxLength: 3 }),
  births: fc.array(fc.record({ at, flow: anyOfFew }), { maxLength: 40 }),
  changes: fc.array(fc.record({ at, kind: fc.nat(5), value: fc.nat(9) }), { maxLength: 20 }),
  repeats: fc.array(span, { maxLength: 2 }),
  failed: fc.option(at, { freq: 4 }),
  takeovers: fc.option(
    fc.array(
      fc.record({
        address: fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.11', '10.1.0.21', 'fd00:10::1'),
        sinceMs: fc.nat(9).map((value) => BEGAN_MS + value),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    { freq: 2 },
  ),
  /** The seed of the next tally. */
  restart: fc.option(fc.nat(0xffff_ffff), { freq: 2 }),
});
type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

function changed(one: Flow, kind: number, value: number): Flow {
  switch (kind) {
    case 0:
    case 1:
      return one.protocol === 6 ? { ...one, state: value } : one;
    case 2:
      return { ...one, start: startOf(value) };
    case 3:
      return { ...one, packets: [BigInt(value) << 32n, BigInt(value)] };
    case 4:
      return { ...one, backend: one.source.includes(':') ? `fd00::1${value}` : `10.9.0.${value}` };
    default:
      return { ...one, status: value };
  }
}

function later(table: readonly Flow[], step: Step): Flow[] {
  const next = [...table];
  const index = (position: number) => position % (next.length + 1);
  for (const death of step.deaths) next.splice(index(death.at), death.length);
  for (const { from, to } of step.moves) {
    const moved = next.splice(index(from.at), from.length);
    next.splice(index(to), 0, ...moved);
  }
  for (const { at: position, kind, value } of step.changes) {
    const one = next[index(position)];
    if (one !== undefined) next[index(position)] = changed(one, kind, value);
  }
  for (const birth of step.births) next.splice(index(birth.at), 0, birth.flow);
  return [...new Map(next.map((one) => [identityOf(one), one])).values()];
}

function withRepeats(table: readonly Flow[], repeats: Step['repeats']): Flow[] {
  const dump = [...table];
  for (const { at: position, length } of repeats) {
    const start = position % (dump.length + 1);
    dump.splice(start + length, 0, ...dump.slice(start, start + length));
  }
  return dump;
}

const plain = (edges: Map<string, EdgeCounts>) =>
  Object.fromEntries([...edges].toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** The values of all edges that differ in nothing but whose they are. */
function byRoute<T>(edges: Map<string, T>): Map<string, T[]> {
  const routes = new Map<string, T[]>();
  for (const [name, value] of edges) {
    const [route = ''] = name.split(' before ', 1);
    routes.set(route, [...(routes.get(route) ?? []), value]);
  }
  return routes;
}

/** Those with connections, with nothing opened or closed since. */
function liveOf(edges: Map<string, EdgeCounts>): Map<string, EdgeCounts> {
  const live = [...edges].filter(([, { active }]) => Object.values(active).length > 0);
  return new Map(live.map(([name, { active }]) => [name, { opened: 0, closed: 0, active }]));
}

function isInUse(edges: Map<string, EdgeCounts>, takeover: number): boolean {
  const numbers = [...edges.keys()].flatMap((name) => name.split(' before ')[1]?.split(',') ?? []);
  return numbers.includes(String(takeover));
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

t.test('whatever happens to the table, the tally says what a plain model says', async (t) => {
  let reopened = 0;
  let divided = 0;
  let restarted = 0;
  let lastTakeover = 0;
  fc.assert(
    fc.property(
      fc.array(anyOfFew, { maxLength: 200 }),
      fc.array(anyStep, { minLength: 1, maxLength: 8 }),
      fc.nat(0xffff_ffff),
      (first, steps, seed) => {
        const counting = new Counting(seed);
        const model = new TallyModel();
        const total = new Map<string, number>();
        const told: AddressTakeover[] = [];
        let table = later(first, { ...steps[0]!, births: [] });
        for (const step of steps) {
          const dump = withRepeats(table, step.repeats);
          if (step.failed !== null) counting.failedDump(dump.toReversed().slice(step.failed % 200));
          const said = counting.snapshot(dump);
          const meant = model.snapshot(dump);
          assert.deepEqual(plain(said.edges), plain(meant.edges));
          assert.equal(said.entries, meant.entries);

          let { edges } = said;
          if (step.takeovers !== null && said.timestamped) {
            const takeovers = step.takeovers.map((one) => ({ ...one, number: ++lastTakeover }));
            told.push(...takeovers);
            edges = counting.divide(takeovers);
            assert.deepEqual(plain(edges), plain(model.divide(takeovers)));
            divided += [...edges.keys()].filter((name) => name.includes('before')).length;
          }

          // The sum rule, without the model: active = baseline that is left + opened - closed. What
          // is divided moves from one owner's edge to another's.
          const baseline = byRoute(model.baseline());
          const counts = byRoute(edges);
          for (const [route, all] of counts) {
            const opened = sum(all, (one) => one.opened);
            const closed = sum(all, (one) => one.closed);
            const rest = (total.get(route) ?? 0) + opened - closed;
            const now = sum(all, (one) => sum(Object.values(one.active), Number));
            assert.equal(now, rest + sum(baseline.get(route) ?? [], Number), route);
            total.set(route, rest);
            if (opened > 0 && closed > 0) reopened++;
          }

          if (step.restart !== null) {
            const live = liveOf(edges);
            const inUse = told.filter(({ number }) => isInUse(live, number));
            assert.deepEqual(plain(counting.restart(inUse, step.restart)), plain(live));
            restarted++;
          }
          table = later(table, step);
        }
      },
    ),
    { numRuns: 1500 },
  );
  t.ok(reopened > 100, 'edges that open and close at once');
  t.ok(divided > 1000, 'edges of former owners');
  t.ok(restarted > 100, 'tallies that went on from what another one had kept');
});
