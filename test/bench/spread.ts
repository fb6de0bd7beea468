/** What several rounds have given: the median, and from where to where they went. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** NaN, which is null in JSON, where there is nothing. */
export function spreadOf(values: readonly number[], digits = 3): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => rounded(sorted[index] ?? Number.NaN, digits);
  return { median: at(sorted.length >> 1), low: at(0), high: at(sorted.length - 1) };
}

export function medianOf(values: readonly number[], digits = 3): number {
  return spreadOf(values, digits).median;
}

export function rounded(value: number, digits = 3): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/** `ms`, the median, and `ms_range`: what a line of a result says of so many rounds. */
export type Told<Name extends string> = Readonly<Record<Name, number>> &
  Readonly<Record<`${Name}_range`, readonly [low: number, high: number]>>;

export function tell<const Name extends string>(
  values: Readonly<Record<Name, readonly number[]>>,
  digits = 3,
): Told<Name> {
  const told = Object.entries<readonly number[]>(values).flatMap(([name, rounds]) => {
    const { median, low, high } = spreadOf(rounds, digits);
    return [
      [name, median],
      [`${name}_range`, [low, high]],
    ];
  });
  return Object.fromEntries(told);
}

/** From what a result tells, where null is nothing. */
export function toldSpread(
  median: number | null,
  [low, high]: readonly [low: number, high: number],
): Spread | undefined {
  return median === null ? undefined : { median, low, high };
}
