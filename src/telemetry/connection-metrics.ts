import { ValueType } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  type GaugeMetricData,
  type SumMetricData,
} from '@opentelemetry/sdk-metrics';
import { SIGNALS, type Signal } from '../connections/measure.ts';
import type { ConnectionPoint } from './connection-point.ts';
import { METRIC, type MetricName } from './metric-names.ts';

interface ConnectionMetric {
  readonly metric: MetricName;
  readonly kind: 'counter' | 'updowncounter' | 'gauge';
}

const METRICS: Readonly<Record<Signal, ConnectionMetric>> = {
  opened: { metric: METRIC.connection, kind: 'counter' },
  closed: { metric: METRIC.connectionClosed, kind: 'counter' },
  bytes: { metric: METRIC.connectionBytes, kind: 'counter' },
  packets: { metric: METRIC.connectionPackets, kind: 'counter' },
  active: { metric: METRIC.connectionActive, kind: 'updowncounter' },
  idle: { metric: METRIC.connectionIdle, kind: 'updowncounter' },
  half_closed: { metric: METRIC.connectionHalfClosed, kind: 'updowncounter' },
  unanswered: { metric: METRIC.connectionUnanswered, kind: 'updowncounter' },
  orphaned: { metric: METRIC.connectionOrphaned, kind: 'updowncounter' },
  oldest: { metric: METRIC.connectionOldest, kind: 'gauge' },
  leak_score: { metric: METRIC.connectionLeakScore, kind: 'gauge' },
};

/** The signals by the names of their metrics. */
export const SIGNAL_OF: ReadonlyMap<string, Signal> = new Map(
  SIGNALS.map((signal) => [METRICS[signal].metric.name, signal]),
);

/** Points by their signal. */
export class PointLists {
  readonly #lists: Readonly<Record<Signal, ConnectionPoint[]>>;

  constructor() {
    const lists = SIGNALS.map((signal): [Signal, ConnectionPoint[]] => [signal, []]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are all signals
    this.#lists = Object.fromEntries(lists) as Record<Signal, ConnectionPoint[]>;
  }

  add(point: ConnectionPoint): void {
    this.#lists[point.measure.signal].push(point);
  }

  /** One metric for each signal, the empty ones included. */
  toMetrics(): (SumMetricData | GaugeMetricData)[] {
    return SIGNALS.map((signal) => metricOf(signal, this.#lists[signal]));
  }
}

export function metricOf(
  signal: Signal,
  dataPoints: ConnectionPoint[],
): SumMetricData | GaugeMetricData {
  const { metric, kind } = METRICS[signal];
  const aggregationTemporality = AggregationTemporality.CUMULATIVE;
  if (kind === 'gauge') {
    const descriptor = { ...metric, valueType: ValueType.DOUBLE };
    return { descriptor, dataPointType: DataPointType.GAUGE, aggregationTemporality, dataPoints };
  }
  return {
    descriptor: { ...metric, valueType: ValueType.INT },
    dataPointType: DataPointType.SUM,
    aggregationTemporality,
    isMonotonic: kind === 'counter',
    dataPoints,
  };
}
