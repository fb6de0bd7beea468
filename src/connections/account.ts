import type { Edge } from './edge.ts';
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
  opened = 0;
  closed = 0;
  readonly active = new Map<string, number>();

  constructor(labels: Labels, times: SeriesTimes) {
    this.labels = labels;
    this.startTimeMs = times.startTimeMs;
    this.publishedAtMs = times.publishedAtMs;
  }

  clearActive(): void {
    for (const state of this.active.keys()) this.active.set(state, 0);
  }

  addActive(state: string, connections: number): void {
    this.active.set(state, (this.active.get(state) ?? 0) + connections);
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
