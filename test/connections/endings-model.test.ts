import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import { Tally } from '../../src/connections/tally.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';
import { EdgeReader } from '../builders/edge-reader.ts';
import { entryOf } from '../builders/flow.ts';
import { type Deed, KernelTable, TUPLES } from '../builders/kernel-table.ts';

const tuple = fc.nat(TUPLES - 1);
const anyOpening = fc.record({
  kind: fc.constant('open' as const),
  tuple,
  // Few, so that an id comes again with its tuple.
  id: fc.nat(1),
  backend: fc.nat(1),
});
const anyDeed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: anyOpening },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('end' as const, 'die', 'expire', 'linger'),
      tuple,
    }),
  },
);
/** Before khan looks; of one that is dying just then it cannot know whether it is there again. */
const anyBeginning = fc.oneof(
  { weight: 3, arbitrary: anyOpening },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('end' as const, 'expire'), tuple }) },
);
const anyStep = fc.record({
  before: fc.array(anyDeed, { maxLength: 8 }),
  /** How much of the queue is received before the dump. */
  received: fc.nat(10),
  during: fc.array(fc.record({ at: fc.nat(TUPLES), deed: anyDeed }), { maxLength: 8 }),
  /** Dumps that fail before the one that comes through. */
  failures: fc.constantFrom(0, 0, 0, 1),
  /** The snapshot is counted again, and what that says replaces it. */
  isDivided: fc.boolean(),
  /** The queue had no room for these. */
  lost: fc.array(fc.nat(10), { maxLength: 2 }),
});
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

const anyRun = fc.record({
  isTimestamped: fc.boolean(),
  baseline: fc.array(fc.record({ deed: anyBeginning, isSilent: fc.boolean() }), { maxLength: 6 }),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 6 }),
});

/** What a tally tells of a kernel's table, all snapshots together. */
class Following {
  readonly table: KernelTable;
  readonly told = new Map<string, { opened: number; closed: number }>();
  active = 0;
  readonly #tally = new Tally({ seed: 7, followsEvents: true });
  readonly #reader = new EdgeReader();

  constructor({ isTimestamped }: { readonly isTimestamped: boolean }) {
    this.table = new KernelTable({ isTimestamped });
  }

  snapshot(
    step: Pick<Step, 'received' | 'during' | 'isDivided'> & { readonly failures: number },
  ): void {
    this.receive(step.received);
    for (let failures = 0; failures < step.failures; failures++) {
      this.#dump([]);
      this.receive(1);
    }
    this.#dump(step.during);
    this.receive(Infinity);
    const counted = this.#tally.finish({ takenAtMs: 0 });
    let edges = this.#reader.read(counted.edges);
    if (step.isDivided && counted.timestamped)
      edges = this.#reader.readAgain(this.#tally.divide([]));
    this.active = 0;
    for (const [name, { opened, closed, active }] of edges) {
      const told = this.told.get(name) ?? { opened: 0, closed: 0 };
      this.told.set(name, { opened: told.opened + opened, closed: told.closed + closed });
      for (const count of Object.values(active)) this.active += count;
    }
  }

  receive(events: number): void {
    const { queue } = this.table;
    for (const one of queue.splice(0, events)) this.#tally.addEnding(entryOf(one));
  }

  #dump(during: Step['during']): void {
    this.#tally.begin(NO_TIMEOUTS);
    const between = (place: number) => {
      for (const { at, deed } of during) if (at === place) this.table.do(deed);
    };
    for (const one of this.table.dump(between)) this.#tally.add(entryOf(one));
  }

  /** All that has ended is told, and what is there stays. */
  settle(): void {
    const quiet = { received: Infinity, during: [], failures: 0, isDivided: false };
    for (let at = 0; at < TUPLES; at++) this.table.do({ kind: 'end', tuple: at });
    this.snapshot(quiet);
    this.snapshot(quiet);
    assert.equal(this.active, 0);
  }
}

function begun({
  isTimestamped,
  baseline,
}: typeof anyRun extends fc.Arbitrary<infer R> ? R : never) {
  const following = new Following({ isTimestamped });
  for (const { deed, isSilent } of baseline) following.table.do(deed, { isSilent });
  following.receive(1);
  following.snapshot({ received: 0, during: [], failures: 0, isDivided: false });
  following.table.isBefore = false;
  return following;
}

const plain = (counts: ReadonlyMap<string, { opened: number; closed: number }>) =>
  Object.fromEntries(
    [...counts]
      .filter(([, { opened, closed }]) => opened + closed > 0)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

function sum(counts: ReadonlyMap<string, { opened: number; closed: number }>) {
  const sums = { opened: 0, closed: 0 };
  for (const { opened, closed } of counts.values()) {
    sums.opened += opened;
    sums.closed += closed;
  }
  return sums;
}

t.test('with events every connection is opened and closed once, whatever comes when', async (t) => {
  let short = 0;
  fc.assert(
    fc.property(anyRun, (run) => {
      const following = begun(run);
      for (const step of run.steps) {
        for (const deed of step.before) following.table.do(deed);
        following.snapshot(step);
      }
      following.settle();
      assert.deepEqual(plain(following.told), plain(following.table.truth));
      short += sum(following.told).opened;
    }),
    { numRuns: 3000 },
  );
  t.ok(short > 3000, 'there were connections');
});

t.test('of what was lost in an overflow nothing is made up', async (t) => {
  let missed = 0;
  fc.assert(
    fc.property(anyRun, (run) => {
      const following = begun(run);
      for (const step of run.steps) {
        for (const deed of step.before) following.table.do(deed);
        for (const at of step.lost) following.table.queue.splice(at, 1);
        following.snapshot(step);
      }
      following.settle();
      const [told, truth] = [sum(following.told), sum(following.table.truth)];
      assert.ok(told.opened <= truth.opened, `${told.opened} opened of ${truth.opened}`);
      assert.ok(told.closed <= truth.closed, `${told.closed} closed of ${truth.closed}`);
      assert.equal(told.opened - told.closed, 0);
      missed += truth.opened - told.opened;
    }),
    { numRuns: 3000 },
  );
  t.ok(missed > 100, 'some were lost');
});
