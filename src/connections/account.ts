import type { Edge } from './edge.ts';
import { MeasureLists } from './measure-lists.ts';
import { CLOSED, OPENED, type Measure } from './measure.ts';
import { COUNTERS, type SavedSeries } from './saved-ledger.ts';
import type { Series } from './series.ts';

const MEASURES: readonly Measure[] = [OPENED, CLOSED];
/** The common ones come first; a list of its own takes some 100 bytes of a series. */
const LISTS = new MeasureLists({ listsMax: 1000 });

/** The moment of a snapshot: when a new series was known to be 0, and when it is first published. */
export interface SeriesTimes {
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
}

/** The series of an account while it lives. It changes only while a snapshot is committed. */
export class LiveSeries<Labels> implements Series<Labels> {
  readonly labels: Labels;
  /** One object for all that are new in a snapshot: numbers of this size take 16 bytes each. */
  readonly #times: SeriesTimes;
  measures: readonly Measure[] = MEASURES;
  values = [0, 0];
  /** Of its edges, as in {@link EdgeColumns.oldest}. */
  oldest = 0;

  constructor(labels: Labels, times: SeriesTimes) {
    this.labels = labels;
    this.#times = times;
  }

  get startTimeMs(): number {
    return this.#times.startTimeMs;
  }

  get publishedAtMs(): number {
    return this.#times.publishedAtMs;
  }

  /** One that was saved goes on. */
  static of<Labels>(saved: SavedSeries<Labels>): LiveSeries<Labels> {
    const { labels, startTimeMs, publishedAtMs } = saved;
    const series = new LiveSeries(labels, { startTimeMs, publishedAtMs });
    for (const [name, measure] of COUNTERS) {
      const count = saved.counters[name];
      if (count !== undefined) series.add(measure, count);
    }
    return series;
  }

  /** All but the counters is about to be counted anew. */
  clear(): void {
    this.oldest = 0;
    for (let at = 0; at < this.measures.length; at++) {
      if (!this.measures[at]!.isMonotonic) this.values[at] = 0;
    }
  }

  /** A counter is there from its first 0 on, so that its first increment is one. */
  add(measure: Measure, count: number): void {
    if (count === 0 && !measure.isMonotonic) return;
    // A series has a handful of them: a Map would take five times the memory, and an array that grows
    // by push() or a spread has room for sixteen more.
    const at = this.measures.indexOf(measure);
    if (at >= 0) {
      this.values[at]! += count;
    } else {
      this.measures = LISTS.with(this.measures, measure);
      this.values = this.values.concat(count);
    }
  }

  addStart(startMs: number): void {
    if (startMs === 0) return;
    if (this.oldest === 0 || Math.abs(startMs) < Math.abs(this.oldest)) this.oldest = startMs;
  }
}

/**
 * What the edges with one attribute set have in common. An admitted account has a series of its own;
 * the others are counted in overflow, and soon keep no more of their labels than a hash.
 */
export class Account<Labels> {
  /** While admitted. */
  series: LiveSeries<Labels> | undefined;
  /** Always there while admitted. */
  labels: Labels | undefined;
  /** Of the labels' JSON: what it is found by. */
  readonly hash: number;
  /** Connections in the table now. */
  connections = 0;
  /** Time of the last snapshot that had connections or increments of it. */
  seenAtMs = Number.NEGATIVE_INFINITY;
  /** One of its edges, as of the last snapshot that had any: all have the same labels. */
  sample: Edge | undefined;
  /** While in overflow: no snapshot before the one in hand had an edge of it. */
  isNew = false;

  constructor(
    sample: Edge | undefined,
    { labels, hash }: { readonly labels: Labels; readonly hash: number },
  ) {
    this.sample = sample;
    this.labels = labels;
    this.hash = hash;
  }
}
