import type { SeriesTimes } from './account.ts';
import { DURATION_COLUMNS, DURATION_LIMITS } from './durations.ts';
import type { Edge } from './edge.ts';
import type { DurationCounts, DurationSeries } from './series.ts';

/** A series has a dozen buckets, each a line of the page: hundreds are as many lines as thousands of others. */
const SERIES_MAX = 500;
/** Of edges in short, each leads to a series. */
const KEYS_MAX = 20 * SERIES_MAX;

interface BookedSeries<Labels> extends DurationSeries<Labels> {
  counts: DurationCounts;
  /** What the next publication adds. */
  readonly added: Float64Array;
  hasAdded: boolean;
  /** It has been published: its first increment must not be its first value. */
  isPublished: boolean;
  seenAtMs: number;
}

export interface DurationBookOptions<Labels> {
  readonly seriesTtlMs: number;
  readonly describe: (edge: Edge) => Labels;
  readonly describeOverflow: (primary: boolean) => Labels;
}

const NOTHING: DurationCounts = {
  buckets: Array.from({ length: DURATION_LIMITS.length + 1 }, () => 0),
  count: 0,
  sumSeconds: 0,
};

/**
 * The durations of connections that have ended, over time. Its series tell edges apart by less than the
 * others do; those above a maximum share an overflow series, and those without news are forgotten.
 */
export class DurationBook<Labels extends object> {
  readonly #options: DurationBookOptions<Labels>;
  /** By JSON of the labels. */
  readonly #series = new Map<string, BookedSeries<Labels>>();
  /** By what labels can be made of: a label costs as much as a series of them has edges. */
  readonly #byKey = new Map<string, BookedSeries<Labels>>();

  constructor(options: DurationBookOptions<Labels>) {
    this.#options = options;
  }

  /** Adds the DURATION_COLUMNS numbers at `at`. */
  add(
    edge: Edge,
    { numbers, at }: { readonly numbers: Float64Array; readonly at: number },
    { startTimeMs, publishedAtMs }: SeriesTimes,
  ): void {
    let isSome = false;
    for (let i = 1; i < DURATION_COLUMNS; i++) isSome ||= numbers[at + i]! > 0;
    if (!isSome) return;
    const series = this.#seriesOf(edge, startTimeMs);
    for (let i = 0; i < DURATION_COLUMNS; i++) series.added[i]! += numbers[at + i]!;
    series.hasAdded = true;
    series.seenAtMs = publishedAtMs;
  }

  /** All series, with what was added; one that is new is told as 0 first, and the rest with the next. */
  publish(takenAtMs: number): readonly DurationSeries<Labels>[] {
    for (const [key, series] of this.#series) {
      if (takenAtMs - series.seenAtMs >= this.#options.seriesTtlMs) this.#forget(key);
      else if (series.isPublished) settle(series);
      else series.isPublished = true;
    }
    return [...this.#series.values()];
  }

  #seriesOf(edge: Edge, startTimeMs: number): BookedSeries<Labels> {
    const key = keyOf(edge);
    let series = this.#byKey.get(key);
    if (series !== undefined) return series;
    const { describe, describeOverflow } = this.#options;
    series =
      this.#booked(describe(edge), startTimeMs, SERIES_MAX) ??
      this.#booked(describeOverflow(edge.primary), startTimeMs, Infinity)!;
    if (this.#byKey.size >= KEYS_MAX) this.#byKey.clear();
    this.#byKey.set(key, series);
    return series;
  }

  /** Undefined where there would be more than `seriesMax`. */
  #booked(
    labels: Labels,
    startTimeMs: number,
    seriesMax: number,
  ): BookedSeries<Labels> | undefined {
    const json = JSON.stringify(labels);
    const known = this.#series.get(json);
    if (known !== undefined || this.#series.size >= seriesMax) return known;
    const series = {
      labels,
      startTimeMs,
      counts: NOTHING,
      added: new Float64Array(DURATION_COLUMNS),
      hasAdded: false,
      isPublished: false,
      seenAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#series.set(json, series);
    return series;
  }

  /** Whoever was in overflow may get the room. */
  #forget(json: string): void {
    this.#series.delete(json);
    this.#byKey.clear();
  }
}

function settle<Labels>(series: BookedSeries<Labels>): void {
  if (!series.hasAdded) return;
  const { counts, added } = series;
  const buckets = counts.buckets.map((count, at) => count + added[at + 1]!);
  series.counts = {
    buckets,
    count: buckets.reduce((sum, count) => sum + count, 0),
    sumSeconds: counts.sumSeconds + added[0]!,
  };
  added.fill(0);
  series.hasAdded = false;
}

function keyOf({ source, destination, protocol, port, primary }: Edge): string {
  const { type, namespace, app } = source.identity ?? {};
  const to = destination.identity;
  return [type, namespace, app, to?.type, to?.namespace, to?.app, protocol, port, primary].join(
    '\n',
  );
}
