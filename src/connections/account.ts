import type { Edge } from './edge.ts';
import { CLOSED, OPENED, type Measure } from './measure.ts';
import type { Series } from './series.ts';

/** The moment of a snapshot: when a new series was known to be 0, and when it is first published. */
export interface SeriesTimes {
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
}

/** The series of an account while it lives. It changes only while a snapshot is committed. */
export class LiveSeries<Labels> implements Series<Labels> {
  readonly labels: Labels;
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
  readonly measures: Measure[] = [OPENED, CLOSED];
  readonly values: number[] = [0, 0];
  /** Of its edges, as in {@link EdgeColumns.oldest}. */
  oldest = 0;

  constructor(labels: Labels, times: SeriesTimes) {
    this.labels = labels;
    this.startTimeMs = times.startTimeMs;
    this.publishedAtMs = times.publishedAtMs;
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
    // A series has a handful of them: a Map would take five times the memory.
    const at = this.measures.indexOf(measure);
    if (at >= 0) {
      this.values[at]! += count;
    } else {
      this.measures.push(measure);
      this.values.push(count);
    }
  }

  addStart(startMs: number): void {
    if (startMs === 0) return;
    if (this.oldest === 0 || Math.abs(startMs) < Math.abs(this.oldest)) this.oldest = startMs;
  }
}

export interface Described<Labels> {
  /** JSON of the labels. */
  readonly key: string;
  readonly labels: Labels;
}

/**
 * What the edges with one attribute set have in common. An admitted account has a series of its own;
 * the others are counted in overflow, and soon keep no more of their labels than a hash.
 */
export class Account<Labels> {
  /** While admitted. */
  series: LiveSeries<Labels> | undefined;
  /** Always there while admitted. */
  described: Described<Labels> | undefined;
  /** Of the labels' JSON: its place in overflow, while it is there. */
  hash = 0;
  /** Connections in the table now. */
  connections = 0;
  /** Time of the last snapshot that had connections or increments of it. */
  seenAtMs = Number.NEGATIVE_INFINITY;
  /** One of its edges, as of the last snapshot that had any: all have the same labels. */
  sample: Edge;

  constructor(sample: Edge) {
    this.sample = sample;
  }
}
