import { CLOSED_BY, IDLE_BANDS } from './signals.ts';

/** What is told of connections, the counters first. Telemetry has a metric for each. */
export const SIGNALS = [
  'opened',
  'closed',
  'bytes',
  'packets',
  'active',
  'idle',
  'half_closed',
  'unanswered',
  'orphaned',
  'oldest',
  'leak_score',
] as const;

export type Signal = (typeof SIGNALS)[number];

/** One number that a series has: a signal, and the value of the attribute that this signal has of its own. */
export interface Measure {
  readonly signal: Signal;
  readonly value: string | boolean | undefined;
  /** A counter; all others are counted afresh in each snapshot. */
  readonly isMonotonic: boolean;
}

export const OPENED: Measure = { signal: 'opened', value: undefined, isMonotonic: true };
export const CLOSED: Measure = { signal: 'closed', value: undefined, isMonotonic: true };
export const UNANSWERED: Measure = { signal: 'unanswered', value: undefined, isMonotonic: false };
export const ORPHANED: Measure = { signal: 'orphaned', value: undefined, isMonotonic: false };

/** By place in {@link IDLE_BANDS}. */
export const IDLE: readonly Measure[] = IDLE_BANDS.map((value) => {
  return { signal: 'idle', value, isMonotonic: false };
});

/** By place in {@link CLOSED_BY}. */
export const HALF_CLOSED: readonly Measure[] = CLOSED_BY.map((value) => {
  return { signal: 'half_closed', value, isMonotonic: false };
});

/** By column of {@link EdgeColumns.traffic}. */
export const TRAFFIC: readonly Measure[] = ['to_server', 'to_client'].flatMap((value) => [
  { signal: 'packets', value, isMonotonic: true },
  { signal: 'bytes', value, isMonotonic: true },
]);

/** The value says whether the age is exact. */
export const OLDEST = {
  exact: { signal: 'oldest', value: true, isMonotonic: false },
  atLeast: { signal: 'oldest', value: false, isMonotonic: false },
} as const satisfies Record<string, Measure>;

export const LEAK_SCORE: Measure = { signal: 'leak_score', value: undefined, isMonotonic: false };

const ACTIVE = new Map<string, Measure>();

/** Connections in a state, by its name in conntrack/state.ts: there are some forty. */
export function activeIn(state: string): Measure {
  let measure = ACTIVE.get(state);
  if (measure === undefined) {
    measure = { signal: 'active', value: state, isMonotonic: false };
    ACTIVE.set(state, measure);
  }
  return measure;
}
