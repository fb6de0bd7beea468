import type { Signal } from './measure.ts';
import type { Series } from './series.ts';

/** What one snapshot says of the connections of one series, as far as a leak shows in it. */
export interface LeakSample {
  readonly takenAtMs: number;
  /** Connections that hold something at both ends: established or half-closed. */
  readonly open: number;
  /** Of these, the ones without a packet for ten minutes or longer. */
  readonly idle: number;
  readonly closedByClient: number;
  readonly closedByServer: number;
  /** Counters, as the series has them. */
  readonly opened: number;
  readonly closed: number;
}

/** Of TCP and SCTP, and what a flowtable carries. Flows without a state end by themselves when nobody uses them. */
const OPEN_STATES: ReadonlySet<unknown> = new Set([
  'ESTABLISHED',
  'OFFLOAD',
  'FIN_WAIT',
  'CLOSE_WAIT',
]);

/** A pool rests for minutes; ten are long for a connection that somebody means to use. */
const IDLE_BANDS: ReadonlySet<unknown> = new Set(['10m_1h', '1h_1d', 'ge_1d']);

/** Open connections alone: a look at each series of a node has to be cheap. */
export function openOf({ measures, values }: Series<unknown>): number {
  let open = 0;
  for (let at = 0; at < measures.length; at++) {
    const { signal, value } = measures[at]!;
    if (signal === 'active' && OPEN_STATES.has(value)) open += values[at]!;
  }
  return open;
}

/** Where idle or half-closed connections are not told, there are none here. */
export function leakSampleOf(series: Series<unknown>, takenAtMs: number): LeakSample {
  const sum = (signal: Signal, isMeant: (value: unknown) => boolean) => {
    let total = 0;
    for (const [at, measure] of series.measures.entries()) {
      if (measure.signal === signal && isMeant(measure.value)) total += series.values[at]!;
    }
    return total;
  };
  return {
    takenAtMs,
    open: openOf(series),
    idle: sum('idle', (band) => IDLE_BANDS.has(band)),
    closedByClient: sum('half_closed', (side) => side === 'client'),
    closedByServer: sum('half_closed', (side) => side === 'server'),
    opened: sum('opened', () => true),
    closed: sum('closed', () => true),
  };
}
