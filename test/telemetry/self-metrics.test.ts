import t from 'tap';
import { observeSnapshotTime, SelfMetrics } from '../../src/telemetry/self-metrics.ts';
import { collectedMeter } from '../builders/collected.ts';

function createSelfMetrics() {
  const { meter, values } = collectedMeter();
  return { self: new SelfMetrics(meter), values };
}

const SUCCESS = {
  result: 'success',
  durationMs: 400,
  dumpDurationMs: 300,
  repeatedDumps: 1,
  malformedMessages: 2,
  excludedEntries: 3,
  edges: 40,
  series: 30,
  overflowEdges: 10,
} as const;

t.test('before the first cycle, what counts stands at 0 and what measures is absent', async (t) => {
  const { values } = createSelfMetrics();
  t.strictSame(await values(), {
    'khan_agent_cycles success': 0,
    'khan_agent_cycles failure': 0,
    khan_agent_dumps_repeated: 0,
    khan_agent_malformed_messages: 0,
  });
});

t.test('a cycle says how long it took and what it met', async (t) => {
  const { self, values } = createSelfMetrics();
  self.recordCycle(SUCCESS);
  t.strictSame(await values(), {
    'khan_agent_cycles success': 1,
    'khan_agent_cycles failure': 0,
    khan_agent_cycle_duration: 0.4,
    khan_agent_dump_duration: 0.3,
    khan_agent_dumps_repeated: 1,
    khan_agent_malformed_messages: 2,
    khan_agent_excluded_entries: 3,
    khan_agent_edges: 40,
    khan_agent_series: 30,
    khan_agent_overflow_edges: 10,
  });
});

t.test('a failed cycle is counted and leaves the sizes as they were', async (t) => {
  const { self, values } = createSelfMetrics();
  self.recordCycle(SUCCESS);
  self.recordCycle({ result: 'failure', durationMs: 100 });
  t.match(await values(), {
    'khan_agent_cycles success': 1,
    'khan_agent_cycles failure': 1,
    khan_agent_cycle_duration: 0.5,
    khan_agent_dump_duration: 0.3,
    khan_agent_edges: 40,
  });
});

t.test('the time of a snapshot is told once there is one', async (t) => {
  const { meter, values } = collectedMeter();
  const published = { takenAtMs: Number.NEGATIVE_INFINITY };
  observeSnapshotTime(meter, () => published.takenAtMs);
  t.strictSame(await values(), {});
  published.takenAtMs = 1_700_000_000_250;
  t.strictSame(await values(), { khan_agent_snapshot_time: 1_700_000_000.25 });
});
