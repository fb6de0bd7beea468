import { METRIC, type MetricName } from '../telemetry/metric-names.ts';
import { ATTRIBUTE } from '../telemetry/names.ts';

/** What is known of the connections between two ends. Each is also a key of `--json`. */
const MEASURES = [
  'active',
  'established',
  'opened',
  'openedPerSecond',
  'closed',
  'closedPerSecond',
  'idle',
  'halfClosed',
  'unanswered',
  'orphaned',
  'oldestSeconds',
  'leakScore',
  'bytesToServer',
  'bytesToServerPerSecond',
  'bytesToClient',
  'bytesToClientPerSecond',
] as const;

export type Measure = (typeof MEASURES)[number];

export type Values = { [Each in Measure]?: number };

interface Source {
  readonly measure: Measure;
  /** Name on the page. */
  readonly sample: string;
  /** The attribute that this metric has beside those of the edge. */
  readonly own?: string;
  /** Values of it that count; all unless given. */
  readonly only?: readonly string[];
}

const total = ({ name }: MetricName) => `${name}_total`;
const active = { sample: METRIC.connectionActive.name, own: ATTRIBUTE.state };
const bytes = { sample: total(METRIC.connectionBytes), own: ATTRIBUTE.direction };

/** A sample counts towards every measure that names it. */
const SOURCES: readonly Source[] = [
  { measure: 'active', ...active },
  // A flow that a flowtable carries has no other state.
  { measure: 'established', ...active, only: ['ESTABLISHED', 'OFFLOAD'] },
  { measure: 'opened', sample: total(METRIC.connection) },
  { measure: 'closed', sample: total(METRIC.connectionClosed) },
  {
    measure: 'idle',
    sample: METRIC.connectionIdle.name,
    own: ATTRIBUTE.idle,
    only: ['10m_1h', '1h_1d', 'ge_1d'],
  },
  { measure: 'halfClosed', sample: METRIC.connectionHalfClosed.name, own: ATTRIBUTE.closedBy },
  { measure: 'unanswered', sample: METRIC.connectionUnanswered.name },
  { measure: 'orphaned', sample: METRIC.connectionOrphaned.name },
  {
    measure: 'oldestSeconds',
    sample: `${METRIC.connectionOldest.name}_seconds`,
    own: ATTRIBUTE.exact,
  },
  { measure: 'leakScore', sample: 'khan_connection_leak_score' },
  { measure: 'bytesToServer', ...bytes, only: ['to_server'] },
  { measure: 'bytesToClient', ...bytes, only: ['to_client'] },
];

export const SOURCES_OF: ReadonlyMap<string, readonly Source[]> = Map.groupBy(
  SOURCES,
  ({ sample }) => sample,
);

/** What is measured between two snapshots, and the counter that it is the rate of. */
export const RATES: readonly (readonly [rate: Measure, counter: Measure])[] = [
  ['openedPerSecond', 'opened'],
  ['closedPerSecond', 'closed'],
  ['bytesToServerPerSecond', 'bytesToServer'],
  ['bytesToClientPerSecond', 'bytesToClient'],
];

/** Ages and scores do not add up: of many, the worst is told. */
const WORST: ReadonlySet<Measure> = new Set<Measure>(['oldestSeconds', 'leakScore']);

export function addTo(values: Values, measure: Measure, value: number): void {
  const sum = values[measure] ?? 0;
  values[measure] = WORST.has(measure) ? Math.max(sum, value) : sum + value;
}

export function addAll(values: Values, others: Values): void {
  for (const measure of MEASURES) {
    const value = others[measure];
    if (value !== undefined) addTo(values, measure, value);
  }
}

const COUNTER_OF: ReadonlyMap<Measure, Measure> = new Map(RATES);

/** A count that others are told of is 0 where nothing is said; an age, a score or a rate is not. */
export function addZeros(all: readonly Values[]): void {
  const counts = measuresOf(all).filter(
    (measure) => !WORST.has(measure) && !COUNTER_OF.has(measure),
  );
  for (const values of all) for (const measure of counts) values[measure] ??= 0;
}

/** Those that somebody tells of, in their order; a rate as soon as its counter is told. */
export function measuresOf(all: Iterable<Values>): readonly Measure[] {
  const told = new Set<Measure>();
  for (const values of all) {
    for (const measure of MEASURES) if (values[measure] !== undefined) told.add(measure);
  }
  return MEASURES.filter((measure) => told.has(COUNTER_OF.get(measure) ?? measure));
}
