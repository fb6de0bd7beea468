import type { Attributes } from '@opentelemetry/api';
import type { Publication, Series } from '../../src/connections/series.ts';

type State = Partial<Omit<Series<Attributes>, 'active'>> & {
  readonly active?: Readonly<Record<string, number>>;
};

/** A series as the ledger gives it: one object while it lives, its numbers growing in place. */
export class SeriesBuilder implements Series<Attributes> {
  readonly labels: Attributes;
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
  opened: number;
  closed: number;
  active: Map<string, number>;

  constructor({
    labels = { node: 'node-a', src_ip: '10.1.0.1', dst_ip: '10.1.0.2', dst_port: 443 },
    startTimeMs = 1_000_000,
    publishedAtMs = 1_000_000,
    opened = 0,
    closed = 0,
    active = {},
  }: State = {}) {
    this.labels = labels;
    this.startTimeMs = startTimeMs;
    this.publishedAtMs = publishedAtMs;
    this.opened = opened;
    this.closed = closed;
    this.active = new Map(Object.entries(active));
  }
}

export function publicationOf(
  takenAtMs: number,
  ...series: readonly Series<Attributes>[]
): Publication<Attributes> {
  return { takenAtMs, series, ended: [] };
}
