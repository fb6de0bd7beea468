import type { Attributes } from '@opentelemetry/api';
import { SIGNALS, type Measure, type Signal } from '../connections/measure.ts';
import type { Publication, Series } from '../connections/series.ts';

/** Between two pauses of {@link columnsOf}. */
const SLICE_SERIES = 1000;

/**
 * What a publication says of one signal, by row: whoever reads it may take their time, for it never
 * changes. Columns, because an object for each of 100,000 values would take four times the memory.
 */
export class SignalColumns {
  readonly signal: Signal;
  /** Of the whole publication; one with a gauge stands there again for it. */
  readonly series: readonly Series<Attributes>[];
  /** Place in `series`, by row. */
  readonly seriesAt: Uint32Array;
  readonly values: Float64Array;
  /** Those that there are. */
  readonly measures: Measure[] = [];
  /** Place in `measures`, by row; one signal has some forty at most. */
  readonly measureAt: Uint8Array;
  #rows = 0;

  constructor(signal: Signal, series: readonly Series<Attributes>[], rows: number) {
    this.signal = signal;
    this.series = series;
    this.seriesAt = new Uint32Array(rows);
    this.values = new Float64Array(rows);
    this.measureAt = new Uint8Array(rows);
  }

  get rows(): number {
    return this.#rows;
  }

  measure(row: number): Measure {
    return this.measures[this.measureAt[row]!]!;
  }

  seriesOf(row: number): Series<Attributes> {
    return this.series[this.seriesAt[row]!]!;
  }

  add(seriesAt: number, measure: Measure, value: number): void {
    const row = this.#rows++;
    const known = this.measures.indexOf(measure);
    this.measureAt[row] = known < 0 ? this.measures.push(measure) - 1 : known;
    this.seriesAt[row] = seriesAt;
    this.values[row] = value;
  }
}

/** One for each signal, those without a row included. To be run to its end; it yields every millisecond or so. */
export function* columnsOf({
  series,
  gauges,
}: Pick<Publication<Attributes>, 'series' | 'gauges'>): Generator<void, readonly SignalColumns[]> {
  const live = [...series];
  const all = [...live, ...gauges.map((gauge) => gauge.series)];
  const rows = bySignal(() => 0);
  for (const { measures } of live) for (const { signal } of measures) rows[signal]++;
  for (const { measure } of gauges) rows[measure.signal]++;
  yield;
  const columns = bySignal((signal) => new SignalColumns(signal, all, rows[signal]));
  for (const [place, { measures, values }] of live.entries()) {
    for (let at = 0; at < measures.length; at++) {
      const measure = measures[at]!;
      columns[measure.signal].add(place, measure, values[at]!);
    }
    if ((place + 1) % SLICE_SERIES === 0) yield;
  }
  for (const [at, { measure, value }] of gauges.entries()) {
    columns[measure.signal].add(live.length + at, measure, value);
  }
  return SIGNALS.map((signal) => columns[signal]);
}

function bySignal<Value>(valueOf: (signal: Signal) => Value): Record<Signal, Value> {
  const values = SIGNALS.map((signal): [Signal, Value] => [signal, valueOf(signal)]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are all signals
  return Object.fromEntries(values) as Record<Signal, Value>;
}
