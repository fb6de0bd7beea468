import type { Meter, Observable } from '@opentelemetry/api';
import { durationInstrument, instrument } from './instrument.ts';
import { METRIC } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

/** How a source of identities does. */
export interface Mapping {
  /** The controller answered the last question; undefined where the source is none. */
  readonly up: boolean | undefined;
  /** The source is away or says so of its own: what is known may be outdated. */
  readonly stale: boolean;
  /** Addresses of the last snapshot that nobody owns, as far as known now. */
  readonly unresolvedAddresses: number;
  /** In ms since the epoch, on a clock that does not step; undefined before the first answer. */
  readonly lastAnswerMs: number | undefined;
}

/** Why the controller did not answer a question. */
const UNANSWERED_REASONS = [
  'busy',
  'connection',
  'credentials',
  'malformed',
  'refused',
  'timeout',
  'unauthorized',
  'unavailable',
] as const;

export type UnansweredReason = (typeof UNANSWERED_REASONS)[number];

/** Asks for the report at each collection: a mapping grows older between two cycles as well. */
export function observeMapping(meter: Meter, report: () => Mapping): void {
  const up = meter.createObservableGauge(...instrument(METRIC.controllerUp));
  const stale = meter.createObservableGauge(...instrument(METRIC.mappingStale));
  const age = meter.createObservableGauge(...instrument(METRIC.mappingAge));
  const unresolved = meter.createObservableUpDownCounter(...instrument(METRIC.unresolvedAddresses));
  const observables: Observable[] = [up, stale, age, unresolved];
  meter.addBatchObservableCallback((result) => {
    const mapping = report();
    result.observe(stale, Number(mapping.stale));
    result.observe(unresolved, mapping.unresolvedAddresses);
    if (mapping.up !== undefined) result.observe(up, Number(mapping.up));
    if (mapping.lastAnswerMs !== undefined) result.observe(age, secondsSince(mapping.lastAnswerMs));
  }, observables);
}

/** What happens to the questions to a controller. */
export class QuestionMetrics {
  readonly #duration;
  readonly #failures;

  constructor(meter: Meter) {
    this.#duration = meter.createHistogram(...durationInstrument(METRIC.mappingDuration));
    this.#failures = meter.createCounter(...instrument(METRIC.mappingFailures));
    // From the first scrape on, so that the first failure is an increase.
    for (const reason of UNANSWERED_REASONS) {
      this.#failures.add(0, { [ATTRIBUTE.reason]: reason });
    }
  }

  answered(durationMs: number): void {
    this.#duration.record(durationMs / 1000);
  }

  unanswered(reason: UnansweredReason): void {
    this.#failures.add(1, { [ATTRIBUTE.reason]: reason });
  }
}

function secondsSince(timeMs: number): number {
  return Math.max(0, performance.timeOrigin + performance.now() - timeMs) / 1000;
}
