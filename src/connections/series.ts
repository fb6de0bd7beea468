import type { Measure } from './measure.ts';

/**
 * What the ledger keeps for one attribute set and hands to telemetry after each snapshot.
 * `Labels` is telemetry's business: the ledger compares it (as JSON) and carries it, no more.
 */
export interface Series<Labels> {
  readonly labels: Labels;
  /** When its counters were last known to be 0, in ms since the epoch: the start time of OTLP. */
  readonly startTimeMs: number;
  /** When it was first published, in ms since the epoch. */
  readonly publishedAtMs: number;
  /** What it has a value of: OPENED and CLOSED, and all it ever had a value of that was not 0, in this order. */
  readonly measures: readonly Measure[];
  /** By place in `measures`. */
  readonly values: readonly number[];
}

/** A value of one series that need not be there in the next snapshot. */
export interface Gauge<Labels> {
  readonly series: Series<Labels>;
  readonly measure: Measure;
  readonly value: number;
}

/** The ledger as of one snapshot. */
export interface Publication<Labels> {
  readonly takenAtMs: number;
  /** All series that live, overflow series included. An ended series is not among them. */
  readonly series: Iterable<Series<Labels>>;
  readonly gauges: readonly Gauge<Labels>[];
  /** Those that ended with this snapshot, with their last values; they never change again. */
  readonly ended: readonly Series<Labels>[];
}
