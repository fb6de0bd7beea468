import type { Attributes } from '@opentelemetry/api';
import { activeIn, CLOSED, OPENED, type Measure } from '../../src/connections/measure.ts';
import type { Publication, Series } from '../../src/connections/series.ts';

interface State extends Partial<Omit<Series<Attributes>, 'measures' | 'values'>> {
  readonly opened?: number;
  readonly closed?: number;
  readonly active?: Readonly<Record<string, number>>;
}

/** A series as the ledger gives it: one object while it lives, its numbers growing in place. */
export class SeriesBuilder implements Series<Attributes> {
  readonly labels: Attributes;
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
  readonly measures: Measure[] = [];
  readonly values: number[] = [];

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
    this.set(OPENED, opened);
    this.set(CLOSED, closed);
    for (const [state, count] of Object.entries(active)) this.set(activeIn(state), count);
  }

  set(measure: Measure, value: number): void {
    const at = this.measures.indexOf(measure);
    if (at < 0) this.measures.push(measure);
    this.values[at < 0 ? this.values.length : at] = value;
  }
}

export function publicationOf(
  takenAtMs: number,
  ...series: readonly Series<Attributes>[]
): Publication<Attributes> {
  return { takenAtMs, series, gauges: [], ended: [] };
}

/** What a series says of a measure; 0 where it says nothing. */
export function valueOf({ measures, values }: Series<unknown>, measure: Measure): number {
  return values[measures.indexOf(measure)] ?? 0;
}

/** What a series says of the signals that are always told; `active` is by state. */
export function countsOf(series: Series<unknown>) {
  const active = new Map<string, number>();
  for (const [at, { signal, value }] of series.measures.entries()) {
    if (signal === 'active') active.set(String(value), series.values[at]!);
  }
  return { opened: valueOf(series, OPENED), closed: valueOf(series, CLOSED), active };
}
