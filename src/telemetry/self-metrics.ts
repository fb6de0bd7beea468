import type { Meter } from '@opentelemetry/api';
import { durationInstrument, instrument } from './instrument.ts';
import { METRIC, type MetricName } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

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
    }
  | { readonly result: 'failure'; readonly durationMs: number };

type SuccessReport = Extract<CycleReport, { result: 'success' }>;

/** Asks at each collection; not finite before the first snapshot is published. */
export function observeSnapshotTime(meter: Meter, takenAtMs: () => number): void {
  const time = meter.createObservableGauge(...instrument(METRIC.agentSnapshotTime));
  time.addCallback((result) => {
    const takenMs = takenAtMs();
    if (Number.isFinite(takenMs)) result.observe(takenMs / 1000);
  });
}

/** Asks at each collection. */
export function observePollInterval(
  meter: Meter,
  interval: { readonly setMs: number; readonly inForceMs: number },
): void {
  const inForce = meter.createObservableGauge(...instrument(METRIC.agentPollInterval));
  inForce.addCallback((result) => result.observe(interval.inForceMs / 1000));
  const set = meter.createObservableGauge(...instrument(METRIC.agentPollIntervalSet));
  set.addCallback((result) => result.observe(interval.setMs / 1000));
}

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
    const duration = (metric: MetricName) => meter.createHistogram(...durationInstrument(metric));
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
    const sizes: readonly (readonly [MetricName, (report: SuccessReport) => number])[] = [
      [METRIC.agentExcludedEntries, ({ excludedEntries }) => excludedEntries],
      [METRIC.agentEdges, ({ edges }) => edges],
      [METRIC.agentSeries, ({ series }) => series],
      [METRIC.agentOverflowEdges, ({ overflowEdges }) => overflowEdges],
    ];
    for (const [metric, read] of sizes) {
      meter.createObservableUpDownCounter(...instrument(metric)).addCallback((result) => {
        if (this.#last !== undefined) result.observe(read(this.#last));
      });
    }
  }
}
