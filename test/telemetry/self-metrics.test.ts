import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import t from 'tap';
import { SelfMetrics } from '../../src/telemetry/self-metrics.ts';

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

function createSelfMetrics() {
  const reader = new Reader({
    aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE,
  });
  const self = new SelfMetrics(new MeterProvider({ readers: [reader] }).getMeter('khan'));
  /** Values by name, and by attribute value where there is one. */
  const values = async (): Promise<Record<string, unknown>> => {
    const { resourceMetrics } = await reader.collect();
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return Object.fromEntries(
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => [
          [descriptor.name, ...Object.values(attributes)].join(' '),
          typeof value === 'object' ? value.sum : value,
        ]),
      ),
    );
  };
  return { self, values };
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
  mapping: {
    up: true,
    stale: false,
    unresolvedAddresses: 5,
    failures: 2,
    lastAnswerMs: undefined,
  },
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
    khan_unresolved_addresses: 5,
    khan_controller_up: 1,
    khan_mapping_failures: 2,
    khan_mapping_stale: 0,
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

t.test('a source of identities that does not answer is 0', async (t) => {
  const { self, values } = createSelfMetrics();
  self.recordCycle({
    ...SUCCESS,
    mapping: { ...SUCCESS.mapping, up: false, stale: true, unresolvedAddresses: 40 },
  });
  t.equal((await values())['khan_controller_up'], 0);
});

t.test('where there is no source of identities, nothing is said about it', async (t) => {
  const { self, values } = createSelfMetrics();
  self.recordCycle({ ...SUCCESS, mapping: undefined });
  const names = Object.keys(await values());
  t.notOk(names.some((name) => name.startsWith('khan_mapping')));
});
