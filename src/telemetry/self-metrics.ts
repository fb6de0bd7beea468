import {
  ValueType,
  type Meter,
  type MetricOptions,
  type ObservableResult,
} from '@opentelemetry/api';
import { ATTRIBUTE, METRIC, type MetricName } from './names.ts';

/** What one cycle has to say about itself. */
export type CycleReport =
  | {
      readonly result: 'success';
      readonly durationMs: number;
      /** Of this, the dump of the kernel's table. */
      readonly dumpDurationMs: number;
      readonly repeatedDumps: number;
      readonly malformedMessages: number;
      readonly excludedEntries: number;
      readonly edges: number;
      readonly series: number;
      readonly overflowEdges: number;
      /** Undefined where there is no source of identities to ask. */
      readonly mapping: MappingReport | undefined;
    }
  | { readonly result: 'failure'; readonly durationMs: number };

interface MappingReport {
  /** Undefined where the source is no controller. */
  readonly up: boolean | undefined;
  readonly stale: boolean;
  readonly unresolvedAddresses: number;
  readonly failures: number;
  /** Milliseconds since the epoch, on a clock that does not step. */
  readonly lastAnswerMs: number | undefined;
}

type SuccessReport = Extract<CycleReport, { result: 'success' }>;

/** Seconds; from an empty table to the dump of a million entries with a slow controller. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Khan about khan: ordinary instruments, for there are few series and they never end. */
export class SelfMetrics {
  readonly #cycles;
  readonly #cycleDuration;
  readonly #dumpDuration;
  readonly #dumpsRepeated;
  readonly #malformedMessages;
  #last: SuccessReport | undefined;

  constructor(meter: Meter) {
    const counter = (metric: MetricName) => meter.createCounter(...instrument(metric));
    const duration = (metric: MetricName) =>
      meter.createHistogram(
        ...instrument(metric, { advice: { explicitBucketBoundaries: DURATION_BOUNDARIES } }),
      );
    this.#cycles = counter(METRIC.agentCycles);
    this.#cycleDuration = duration(METRIC.agentCycleDuration);
    this.#dumpDuration = duration(METRIC.agentDumpDuration);
    this.#dumpsRepeated = counter(METRIC.agentDumpsRepeated);
    this.#malformedMessages = counter(METRIC.agentMalformedMessages);
    // From the first scrape on, so that the first failure is an increase.
    this.#cycles.add(0, { [ATTRIBUTE.result]: 'success' });
    this.#cycles.add(0, { [ATTRIBUTE.result]: 'failure' });
    this.#dumpsRepeated.add(0);
    this.#malformedMessages.add(0);
    this.#observe(meter);
  }

  /** After each cycle, failed ones too. What a failed cycle does not know stays as it was. */
  recordCycle(report: CycleReport): void {
    this.#cycles.add(1, { [ATTRIBUTE.result]: report.result });
    this.#cycleDuration.record(report.durationMs / 1000);
    if (report.result === 'failure') return;
    this.#dumpDuration.record(report.dumpDurationMs / 1000);
    this.#dumpsRepeated.add(report.repeatedDumps);
    this.#malformedMessages.add(report.malformedMessages);
    this.#last = report;
  }

  #observe(meter: Meter): void {
    const sizes: readonly (readonly [MetricName, (report: SuccessReport) => number | undefined])[] =
      [
        [METRIC.agentExcludedEntries, ({ excludedEntries }) => excludedEntries],
        [METRIC.agentEdges, ({ edges }) => edges],
        [METRIC.agentSeries, ({ series }) => series],
        [METRIC.agentOverflowEdges, ({ overflowEdges }) => overflowEdges],
        [METRIC.unresolvedAddresses, ({ mapping }) => mapping?.unresolvedAddresses],
      ];
    for (const [metric, read] of sizes) {
      meter
        .createObservableUpDownCounter(...instrument(metric))
        .addCallback((result) => observeLast(result, this.#last, read));
    }
    meter
      .createObservableCounter(...instrument(METRIC.mappingFailures))
      .addCallback((result) => observeLast(result, this.#last, ({ mapping }) => mapping?.failures));
    const gauges: readonly (readonly [
      MetricName,
      (report: MappingReport) => number | undefined,
    ])[] = [
      [METRIC.controllerUp, ({ up }) => (up === undefined ? undefined : Number(up))],
      [METRIC.mappingStale, ({ stale }) => Number(stale)],
      [METRIC.mappingAge, ageSeconds],
    ];
    for (const [metric, read] of gauges) {
      meter
        .createObservableGauge(...instrument(metric))
        .addCallback((result) =>
          observeLast(result, this.#last, ({ mapping }) => mapping && read(mapping)),
        );
    }
  }
}

/** It grows between two cycles as well. */
function ageSeconds({ lastAnswerMs }: MappingReport): number | undefined {
  if (lastAnswerMs === undefined) return undefined;
  return Math.max(0, performance.timeOrigin + performance.now() - lastAnswerMs) / 1000;
}

function instrument(metric: MetricName, options: MetricOptions = {}): [string, MetricOptions] {
  const { name, unit, description } = metric;
  const valueType = unit === 's' ? ValueType.DOUBLE : ValueType.INT;
  return [name, { ...options, unit, description, valueType }];
}

function observeLast(
  result: ObservableResult,
  last: SuccessReport | undefined,
  read: (report: SuccessReport) => number | undefined,
): void {
  const value = last && read(last);
  if (value !== undefined) result.observe(value);
}
