/**
 * How long connections lasted, by bucket: from a request that was refused to a connection that is kept for
 * days. Upper limits, in seconds; the last bucket has none.
 */
export const DURATION_LIMITS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600, 3600, 86_400] as const;

/** Numbers of one row in {@link EdgeColumns.durations}: the sum in seconds, then the count of each bucket. */
export const DURATION_COLUMNS = DURATION_LIMITS.length + 2;

/** Adds one to the DURATION_COLUMNS numbers at `at`. */
export function addDuration(seconds: number, numbers: Float64Array, at: number): void {
  numbers[at]! += seconds;
  let bucket = 0;
  while (bucket < DURATION_LIMITS.length && seconds > DURATION_LIMITS[bucket]!) bucket++;
  numbers[at + 1 + bucket]!++;
}
