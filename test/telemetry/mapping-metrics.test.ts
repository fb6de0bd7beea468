import t from 'tap';
import {
  observeMapping,
  QuestionMetrics,
  type Mapping,
} from '../../src/telemetry/mapping-metrics.ts';
import { collectedMeter } from '../builders/collected.ts';

const nowMs = () => performance.timeOrigin + performance.now();

/** A mapping as a test says it is, and what is measured of it. */
function observed(rest: Partial<Mapping> = {}) {
  const { meter, values } = collectedMeter();
  const state: { mapping: Mapping } = {
    mapping: {
      up: true,
      stale: false,
      unresolvedAddresses: 5,
      lastAnswerMs: undefined,
      ...rest,
    },
  };
  observeMapping(meter, () => state.mapping);
  return { state, values };
}

t.test('a source that has never answered has no age', async (t) => {
  t.strictSame(await observed({ up: false }).values(), {
    khan_controller_up: 0,
    khan_mapping_stale: 0,
    khan_unresolved_addresses: 5,
  });
});

t.test('a source that is no controller is neither up nor down', async (t) => {
  t.strictSame(await observed({ up: undefined, stale: true }).values(), {
    khan_mapping_stale: 1,
    khan_unresolved_addresses: 5,
  });
});

t.test('what is said is true when it is asked for, not when a cycle ended', async (t) => {
  const { state, values } = observed({ lastAnswerMs: nowMs() - 3_600_000 });
  const first = Number((await values())['khan_mapping_age']);
  t.ok(first >= 3600, 'in seconds');
  const second = Number((await values())['khan_mapping_age']);
  t.ok(second > first, 'it grows');
  state.mapping = { ...state.mapping, up: false, unresolvedAddresses: 40, lastAnswerMs: nowMs() };
  const { khan_mapping_age: age, ...rest } = await values();
  t.ok(Number(age) < second);
  t.strictSame(rest, {
    khan_controller_up: 0,
    khan_mapping_stale: 0,
    khan_unresolved_addresses: 40,
  });
});

t.test('a clock that was wrong gives no negative age', async (t) => {
  const { values } = observed({ lastAnswerMs: nowMs() + 3_600_000 });
  t.equal((await values())['khan_mapping_age'], 0);
});

t.test('questions are counted by why they were not answered, from 0 on', async (t) => {
  const { meter, values } = collectedMeter();
  const questions = new QuestionMetrics(meter);
  t.strictSame(await values(), {
    'khan_mapping_failures busy': 0,
    'khan_mapping_failures connection': 0,
    'khan_mapping_failures credentials': 0,
    'khan_mapping_failures malformed': 0,
    'khan_mapping_failures refused': 0,
    'khan_mapping_failures timeout': 0,
    'khan_mapping_failures unauthorized': 0,
    'khan_mapping_failures unavailable': 0,
  });
  questions.answered(250);
  questions.answered(500);
  questions.unanswered('timeout');
  t.match(await values(), { khan_mapping_duration: 0.75, 'khan_mapping_failures timeout': 1 });
});
