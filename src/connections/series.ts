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
  /** Connections opened since startTimeMs. */
  readonly opened: number;
  /** Of these, those that have left the table. */
  readonly closed: number;
  /** Connections in the table now, by state name. A state once seen stays, at 0, while the series lives. */
  readonly active: ReadonlyMap<string, number>;
}

/** The ledger as of one snapshot. */
export interface Publication<Labels> {
  readonly takenAtMs: number;
  /** All series that live, overflow series included. An ended series is not among them. */
  readonly series: Iterable<Series<Labels>>;
  /** Those that ended with this snapshot, with their last values; they never change again. */
  readonly ended: readonly Series<Labels>[];
}
