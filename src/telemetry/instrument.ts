import { ValueType, type MetricOptions } from '@opentelemetry/api';
import type { MetricName } from './metric-names.ts';

/** Seconds; from an empty table to the dump of a million entries with a slow controller. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What a meter needs to make the instrument of a metric. */
export function instrument({ name, unit, description }: MetricName): [string, MetricOptions] {
  const valueType = unit === 's' ? ValueType.DOUBLE : ValueType.INT;
  return [name, { unit, description, valueType }];
}

/** The same for a histogram of durations. */
export function durationInstrument(metric: MetricName): [string, MetricOptions] {
  const [name, options] = instrument(metric);
  return [name, { ...options, advice: { explicitBucketBoundaries: DURATION_BOUNDARIES } }];
}
