/** Keys at the front of a map in the order of time: those up to `untilMs`, and those too many. */
export function* outdated(
  timesMs: ReadonlyMap<string, number>,
  untilMs: number,
  entriesMax: number,
): Iterable<string> {
  for (const [key, timeMs] of timesMs) {
    if (timeMs > untilMs && timesMs.size <= entriesMax) return;
    yield key;
  }
}
