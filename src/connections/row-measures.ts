import { stateName } from '../conntrack/state.ts';
import type { LiveSeries } from './account.ts';
import type { Edge } from './edge.ts';
import {
  activeIn,
  CLOSED,
  HALF_CLOSED,
  IDLE,
  OPENED,
  ORPHANED,
  TRAFFIC,
  UNANSWERED,
  type Measure,
} from './measure.ts';
import { orphanedIn } from './orphaned.ts';
import { SIGNAL, SIGNAL_SLOTS } from './signals.ts';
import { STATE_SLOTS, TRAFFIC_COLUMNS, type EdgeColumns } from './snapshot.ts';

/** What can be left out of all that is told of connections; `traffic` is bytes and packets. */
export const OPTIONAL_SIGNALS = [
  'idle',
  'half_closed',
  'unanswered',
  'orphaned',
  'oldest',
  'leak_score',
  'traffic',
] as const;

export type OptionalSignal = (typeof OPTIONAL_SIGNALS)[number];

export interface EdgeRow {
  readonly edge: Edge;
  readonly edges: EdgeColumns;
  readonly row: number;
}

/** Adds what one row of a snapshot says of its edge to the edge's series. */
export function addRow<Labels>(
  series: LiveSeries<Labels>,
  { edge, edges, row }: EdgeRow,
  chosen: ReadonlySet<OptionalSignal>,
): void {
  series.add(OPENED, edges.opened[row]!);
  series.add(CLOSED, edges.closed[row]!);
  for (let slot = 0; slot < STATE_SLOTS; slot++) {
    const count = edges.active[row * STATE_SLOTS + slot]!;
    if (count > 0) series.add(activeIn(stateName(edge.protocol, slot)), count);
  }
  const signals = row * SIGNAL_SLOTS;
  if (chosen.has('idle')) addAll(series, IDLE, edges.signals, signals + SIGNAL.idle);
  if (chosen.has('half_closed')) {
    addAll(series, HALF_CLOSED, edges.signals, signals + SIGNAL.halfClosed);
  }
  if (chosen.has('unanswered')) series.add(UNANSWERED, edges.signals[signals + SIGNAL.unanswered]!);
  if (chosen.has('orphaned')) series.add(ORPHANED, orphanedIn(edge, edges.active, row));
  if (chosen.has('oldest')) series.addStart(edges.oldest[row]!);
  if (chosen.has('traffic') && edges.traffic.length > 0) {
    addAll(series, TRAFFIC, edges.traffic, row * TRAFFIC_COLUMNS);
  }
}

function addAll<Labels>(
  series: LiveSeries<Labels>,
  measures: readonly Measure[],
  counts: Uint32Array | Float64Array,
  start: number,
): void {
  for (let at = 0; at < measures.length; at++) series.add(measures[at]!, counts[start + at]!);
}
