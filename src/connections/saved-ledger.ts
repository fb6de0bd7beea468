import type { Identity } from '../inventory/identity.ts';
import { CLOSED, OPENED, TRAFFIC, type Measure } from './measure.ts';
import type { Series } from './series.ts';
import type { AddressTakeover } from './snapshot.ts';

/**
 * What a ledger says of itself, so that another one can go on from there: plain data. What it has
 * counted in edges that are left, and all gauges, are not in it: the tally's rows tell them again.
 */
export interface SavedLedger<Labels> {
  /** Of the last snapshot that was committed. */
  readonly takenAtMs: number;
  readonly localAddresses: readonly string[];
  /** Those up to this one have been used. */
  readonly lastTakeover: number;
  readonly owners: Iterable<SavedOwner>;
  readonly formerOwners: Iterable<SavedFormerOwner>;
  readonly series: Iterable<SavedSeries<Labels>>;
}

/** Of an address of an edge. */
export interface SavedOwner {
  readonly address: string;
  readonly identity: Identity;
}

/** Whose connections are left although the address is another one's. */
export interface SavedFormerOwner extends AddressTakeover {
  readonly identity: Identity;
}

export interface SavedSeries<Labels> {
  readonly labels: Labels;
  readonly startTimeMs: number;
  readonly publishedAtMs: number;
  /** By {@link COUNTERS}. */
  readonly counters: Readonly<Record<string, number>>;
  /** Of its account; not there for an overflow series. */
  readonly seenAtMs?: number;
  /** Of an overflow series: the edges that it stands for, by their `primary`. */
  readonly overflowOf?: readonly boolean[];
}

/** Everything that only grows, by its name in what is saved. */
export const COUNTERS: ReadonlyMap<string, Measure> = new Map(
  [OPENED, CLOSED, ...TRAFFIC].map((measure) => [counterName(measure), measure]),
);

export function counterName({ signal, value }: Measure): string {
  return value === undefined ? signal : `${signal} ${value}`;
}

export function savedSeries<Labels>(
  { labels, startTimeMs, publishedAtMs, measures, values }: Series<Labels>,
  place: Pick<SavedSeries<Labels>, 'seenAtMs' | 'overflowOf'>,
): SavedSeries<Labels> {
  const counters: Record<string, number> = {};
  for (const [at, measure] of measures.entries()) {
    if (measure.isMonotonic) counters[counterName(measure)] = values[at]!;
  }
  return { labels, startTimeMs, publishedAtMs, counters, ...place };
}
