import type { Attributes } from '@opentelemetry/api';
import { DataPointType, type MetricData, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { Test } from 'tap';
import type { Interruption } from '../../src/cluster/interruption.ts';
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from '../../src/cluster/resources.ts';
import type { WatchEvent } from '../../src/cluster/watch-events.ts';
import type { DurationSeries } from '../../src/connections/series.ts';
import { DURATION_LIMITS } from '../../src/connections/durations.ts';
import type { Edge } from '../../src/connections/edge.ts';
import {
  HALF_CLOSED,
  IDLE,
  LEAK_SCORE,
  OLDEST,
  ORPHANED,
  TRAFFIC,
  UNANSWERED,
} from '../../src/connections/measure.ts';
import { TRANSPORTS } from '../../src/connections/transport.ts';
import { stateName } from '../../src/conntrack/state.ts';
import { StatisticsSum } from '../../src/conntrack/statistics.ts';
import type { ReviewResult } from '../../src/controller/authenticate.ts';
import { SelfMetrics as ControllerMetrics } from '../../src/controller/self-metrics.ts';
import { IDENTITY_TYPES, type IdentityType } from '../../src/inventory/identity.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import {
  ATTRIBUTE_GROUPS,
  connectionAttributes,
  durationAttributes,
  overflowAttributes,
} from '../../src/telemetry/attributes.ts';
import { EventMetrics } from '../../src/telemetry/event-metrics.ts';
import { WHOLE_ADDRESS } from '../../src/telemetry/external-prefix.ts';
import { KernelMetrics } from '../../src/telemetry/kernel-metrics.ts';
import { observeMapping, QuestionMetrics } from '../../src/telemetry/mapping-metrics.ts';
import {
  observePollInterval,
  observeSnapshotTime,
  SelfMetrics,
} from '../../src/telemetry/self-metrics.ts';
import { StateMetrics } from '../../src/telemetry/state-metrics.ts';
import { publicationOf, SeriesBuilder } from '../builders/series.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { otlpReceiver } from '../fakes/otlp-receiver.ts';

/** What a program has really recorded, in every way there is. */
export interface Recorded {
  readonly metrics: readonly MetricData[];
  readonly resource: Attributes;
  readonly page: string;
}

/** All that an agent measures, about connections of every kind. */
export async function recordedByAgent(t: Test): Promise<Recorded> {
  const { endpoint } = await otlpReceiver(t);
  const { telemetry, producer, page } = await startedTelemetry(t, {
    OTEL_METRICS_EXPORTER: 'otlp,prometheus',
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  });
  const { meter } = telemetry;
  new KernelMetrics(meter, { nodeName: 'node-a' }).record(new StatisticsSum().statistics);
  new EventMetrics(meter).record({
    isFollowing: true,
    areEventsOff: false,
    received: 1,
    malformed: 0,
    overflows: 0,
    pausedMs: 0,
  });
  observeMapping(meter, () => ({
    up: true,
    stale: false,
    unresolvedAddresses: 1,
    lastAnswerMs: 1,
  }));
  observeSnapshotTime(meter, () => producer.takenAtMs);
  observePollInterval(meter, { setMs: 30_000, inForceMs: 30_000 });
  new QuestionMetrics(meter).answered(1);
  new SelfMetrics(meter).recordCycle({
    result: 'success',
    durationMs: 1,
    dumpDurationMs: 1,
    repeatedDumps: 0,
    malformedMessages: 0,
    excludedEntries: 0,
    edges: 1,
    series: 1,
    overflowEdges: 0,
  });
  new StateMetrics(meter).record({ kind: 'saved', bytes: 1 });
  const publication = publicationOf(1_030_000, ...connections());
  const gauges = [...publication.series].flatMap((series) =>
    [...Object.values(OLDEST), LEAK_SCORE].map((measure) => ({ series, measure, value: 1.5 })),
  );
  await producer.publish(
    { ...publication, gauges, durations: durations() },
    { entries: 1, limit: 2 },
  );
  const own = await page.reader.collect();
  const { resourceMetrics } = await producer.collect();
  const text = await page.render();
  await telemetry.shutdown({ timeoutMs: 5000 });
  const { resource } = own.resourceMetrics;
  return {
    metrics: [...metricsOf(own.resourceMetrics), ...metricsOf(resourceMetrics)],
    resource: resource.attributes,
    page: text,
  };
}

/** All that a controller measures, whatever is asked and whatever the API server does. */
export async function recordedByController(): Promise<Recorded> {
  const kinds = [PODS, SERVICES, NODES, ENDPOINT_SLICES].map(({ kind }) => kind);
  await using metrics = new ControllerMetrics({
    inventory: new Inventory({ now: () => 0 }),
    state: () => ({ stale: false }),
    statuses: () =>
      kinds.map((kind) => ({
        kind,
        synced: true,
        failingSinceMs: undefined,
        lastContactMs: 1,
        objects: 1,
      })),
  });
  for (const status of [undefined, ...Array.from({ length: 500 }, (_, at) => at + 100)]) {
    metrics.resolved({ status, durationMs: 1 });
  }
  metrics.throttled();
  metrics.connected();
  for (const result of Object.values(REVIEW_RESULTS)) metrics.reviewed(result);
  for (const kind of kinds) {
    metrics.rejected(kind);
    for (const type of Object.values(EVENT_TYPES)) metrics.event(kind, type);
    for (const reason of Object.values(INTERRUPTIONS)) metrics.interrupted(kind, reason);
    // As the reflector gives them: the first time, and where it cannot resume.
    for (const reason of ['start', 'expired', 'refused']) {
      for (const by of ['stream', 'pages'] as const) metrics.listed(kind, { by, reason });
    }
  }
  const collected = await metrics.collect();
  return {
    metrics: metricsOf(collected),
    resource: collected.resource.attributes,
    page: await metrics.render(),
  };
}

export function instrumentOf(metric: MetricData): string {
  if (metric.dataPointType === DataPointType.GAUGE) return 'gauge';
  if (metric.dataPointType !== DataPointType.SUM) return 'histogram';
  return metric.isMonotonic ? 'counter' : 'updowncounter';
}

/** Every state of every protocol, by conntrack's name. */
const STATES: ReadonlySet<string> = new Set(
  [...TRANSPORTS.keys()].flatMap((protocol) =>
    Array.from({ length: 256 }, (_, slot) => stateName(protocol, slot)),
  ),
);

/** As objects, so that none is forgotten. */
const EVENT_TYPES: { readonly [Key in WatchEvent['type']]: Key } = {
  ADDED: 'ADDED',
  MODIFIED: 'MODIFIED',
  DELETED: 'DELETED',
  BOOKMARK: 'BOOKMARK',
};

const INTERRUPTIONS: { readonly [Key in Interruption]: Key } = {
  closed: 'closed',
  expired: 'expired',
  failed: 'failed',
  forbidden: 'forbidden',
  malformed: 'malformed',
  refused: 'refused',
  reset: 'reset',
  silent: 'silent',
  throttled: 'throttled',
  unauthorized: 'unauthorized',
};

const REVIEW_RESULTS: { readonly [Key in ReviewResult]: Key } = {
  accepted: 'accepted',
  refused: 'refused',
  failed: 'failed',
};

function connections(): SeriesBuilder[] {
  const choice = { groups: ATTRIBUTE_GROUPS, dropped: [], externalPrefix: WHOLE_ADDRESS };
  const labels = between().map((edge) =>
    connectionAttributes({ ...EDGE, ...edge }, 'node-a', choice),
  );
  const active = Object.fromEntries([...STATES].map((state) => [state, 1]));
  return [...labels, overflowAttributes('node-a', true, choice)].map((each) => {
    const series = new SeriesBuilder({ labels: each, opened: 1, active });
    for (const measure of [...IDLE, ...HALF_CLOSED, UNANSWERED, ORPHANED, ...TRAFFIC]) {
      series.set(measure, 1);
    }
    return series;
  });
}

function between(): Partial<Edge>[] {
  const stranger = {
    address: '203.0.113.7',
    identity: undefined,
    node: undefined,
    hasEnded: false,
  };
  return [
    { source: stranger, destination: stranger, backend: stranger, port: undefined },
    ...IDENTITY_TYPES.map((type) => ends(type)),
    ...[...TRANSPORTS.keys()].map((protocol) => ({ protocol })),
  ];
}

function durations(): DurationSeries<Attributes>[] {
  const labels = between().map((edge) => durationAttributes({ ...EDGE, ...edge }, 'node-a'));
  const counts = { buckets: DURATION_LIMITS.map(() => 0).concat(1), count: 1, sumSeconds: 1.5 };
  return [...labels, overflowAttributes('node-a', true)].map((each) => {
    return { labels: each, startTimeMs: 1, counts };
  });
}

function ends(type: IdentityType): Pick<Edge, 'source' | 'destination' | 'backend'> {
  const owned = (address: string) => ({
    address,
    identity: {
      type,
      name: 'web-1',
      namespace: 'shop',
      app: 'web',
      workload: { kind: 'Deployment', name: 'web' },
      topologyZone: 'zone-1',
    },
    node: 'node-a',
    hasEnded: false,
  });
  return {
    source: owned('10.1.0.1'),
    destination: owned('10.96.0.1'),
    backend: owned('10.2.0.1'),
  };
}

const EDGE: Edge = {
  ...ends('pod'),
  protocol: 6,
  port: 443,
  backendPort: 8443,
  sourceTranslated: false,
  primary: true,
};

function metricsOf({ scopeMetrics }: ResourceMetrics): MetricData[] {
  return scopeMetrics.flatMap(({ metrics }) => metrics);
}
