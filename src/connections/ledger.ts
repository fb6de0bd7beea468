import type { Identity, Takeover } from '../inventory/identity.ts';
import { AccountBook, type AccountBookOptions } from './account-book.ts';
import type { Account, SeriesTimes } from './account.ts';
import { DurationBook } from './duration-book.ts';
import { DURATION_COLUMNS } from './durations.ts';
import type { Edge } from './edge.ts';
import { EdgeBook, EXCLUDED } from './edge-book.ts';
import { EndpointBook } from './endpoint-book.ts';
import { Exclusion, type ExcludeRule } from './exclude.ts';
import { oldestGauges } from './oldest.ts';
import { isPrimary } from './primary.ts';
import { addRow, type OptionalSignal } from './row-measures.ts';
import type { SavedLedger } from './saved-ledger.ts';
import type { Publication, Series } from './series.ts';
import { STATE_SLOTS, type AddressTakeover, type EdgeColumns, type Snapshot } from './snapshot.ts';

/** Edges named between two pauses of {@link Ledger.rename}. */
const SLICE_EDGES = 100;

export interface LedgerOptions<Labels> extends AccountBookOptions<Labels> {
  /** The node whose table the snapshots are of. */
  readonly nodeName: string;
  readonly exclude: readonly ExcludeRule[];
  /** What is told beside opened, closed and active. */
  readonly signals: Iterable<OptionalSignal>;
  /**
   * The labels of durations, which may rest on no more than types, namespaces and apps of both ends, the
   * port, the transport and whether the edge is primary. Without it no durations are told.
   */
  readonly describeDuration?: (edge: Edge) => Labels;
}

/** What the ledger held at the last commit. */
export interface LedgerSize {
  /** Edges with connections, those left out not among them. */
  readonly edges: number;
  /** Of these, the ones counted in overflow. */
  readonly overflowEdges: number;
  /** Series, overflow included. */
  readonly series: number;
  readonly excludedEdges: number;
  /** Connections of the excluded edges. */
  readonly excludedEntries: number;
}

const EMPTY: LedgerSize = {
  edges: 0,
  overflowEdges: 0,
  series: 0,
  excludedEdges: 0,
  excludedEntries: 0,
};

/** What the ledger looks at in a snapshot. */
type TalliedTable = Pick<
  Snapshot,
  'baseline' | 'takenAtMs' | 'timestamped' | 'localAddresses' | 'edges'
>;

/** How far the snapshot in hand has come; each step needs the one before it. */
type Step = 'committed' | 'begun' | 'read' | 'named';

/**
 * Counters over time, one account for each attribute set. A snapshot is entered in steps:
 *
 *     for (const _ of ledger.begin(snapshot)) await pause();
 *     const owners = await resolve(ledger.addresses());
 *     const takeovers = ledger.takeOver(owners.takeovers());
 *     if (takeovers.length > 0) {
 *       for (const _ of ledger.amend(await divide(takeovers))) await pause();
 *     }
 *     for (const _ of ledger.rename((address) => owners.get(address))) await pause();
 *     const publication = ledger.commit();
 *
 * begin(), amend() and rename() are generators that yield every few milliseconds, so that the caller can let
 * others have the thread; they must be run to their end. Nothing of a snapshot shows before commit().
 * A snapshot that is not committed is lost, and what it counted with it: only a baseline can follow.
 */
export class Ledger<Labels extends object> {
  readonly #nodeName: string;
  readonly #endpoints: EndpointBook;
  readonly #edges: EdgeBook<Account<Labels>>;
  readonly #accounts: AccountBook<Labels>;
  readonly #signals: ReadonlySet<OptionalSignal>;
  readonly #durations: DurationBook<Labels> | undefined;
  #step: Step = 'committed';
  #snapshot: TalliedTable | undefined;
  #last: Pick<Snapshot, 'takenAtMs' | 'localAddresses'> | undefined;
  #size: LedgerSize = EMPTY;

  constructor(options: LedgerOptions<Labels>) {
    const { nodeName } = options;
    const exclusion = new Exclusion(options.exclude);
    this.#nodeName = nodeName;
    this.#endpoints = new EndpointBook({ exclusion, nodeName });
    this.#edges = new EdgeBook({ endpoints: this.#endpoints, exclusion });
    this.#accounts = new AccountBook(options);
    const { describeDuration: describe } = options;
    this.#durations = describe && new DurationBook({ ...options, describe });
    this.#signals = new Set(options.signals);
  }

  get size(): LedgerSize {
    return this.#size;
  }

  /**
   * Reads the edges that are new in the snapshot. Throws an Error when the snapshot does not continue
   * the last one.
   */
  *begin(snapshot: TalliedTable): Generator<void, void> {
    if (this.#step !== 'committed' && !snapshot.baseline) {
      throw new Error(`Cannot begin a snapshot: the last one is ${this.#step}, but not committed`);
    }
    if (snapshot.baseline) this.#endpoints.forgetTold();
    yield* this.#read(snapshot);
  }

  /** Reads what the snapshot in hand should have said of its edges. */
  *amend(edges: EdgeColumns): Generator<void, void> {
    yield* this.#read({ ...this.#snapshotAfter('read', 'amend'), edges });
  }

  /** The addresses of all edges, those of the snapshot in hand included. */
  addresses(): Iterable<string> {
    return this.#endpoints.addresses();
  }

  /**
   * Takeovers of addresses of the snapshot in hand that are new, with the numbers by which the edges of
   * the former owners will be told. None where the kernel does not say when connections began.
   */
  takeOver(takeovers: Iterable<readonly [string, Takeover]>): readonly AddressTakeover[] {
    const { timestamped } = this.#snapshotAfter('read', 'take addresses over');
    return timestamped ? this.#endpoints.takeOver(takeovers) : [];
  }

  /**
   * Names the edges that are new, and those with an address that has another owner than before. That an
   * owner has ended renames nothing: its connections are orphaned.
   */
  *rename(
    identityOf: (address: string) => Identity | undefined,
    hasEnded: (address: string) => boolean = () => false,
  ): Generator<void, void> {
    const snapshot = this.#snapshotAfter('read', 'name edges');
    const times = this.#timesOf(snapshot);
    const localAddresses = new Set(snapshot.localAddresses);
    yield* this.#endpoints.name({ identityOf, hasEnded, localAddresses });
    let named = 0;
    for (const edge of this.#edges.unnamed()) {
      const isNew = !snapshot.baseline && edge.account === undefined;
      edge.primary = isPrimary(edge, this.#nodeName);
      edge.account = this.#accounts.accountOf(edge, times, isNew);
      if (++named % SLICE_EDGES === 0) yield;
    }
    this.#step = 'named';
  }

  /**
   * Counts the snapshot in one go. The publication's series are the ledger's own: they keep these
   * values until the next commit.
   */
  commit(): Publication<Labels> {
    const snapshot = this.#snapshotAfter('named', 'commit');
    const { takenAtMs } = snapshot;
    const times = this.#timesOf(snapshot);
    this.#edges.settle(snapshot.baseline);
    this.#accounts.clear();
    this.#weigh(snapshot);
    this.#accounts.settle(times);
    const counted = this.#count(snapshot, times);

    const series = this.#accounts.series();
    this.#size = { ...counted, series: series.length };
    this.#snapshot = undefined;
    this.#step = 'committed';
    this.#last = { takenAtMs, localAddresses: snapshot.localAddresses };
    const gauges = this.#signals.has('oldest') ? oldestGauges(series, takenAtMs) : [];
    const durations = this.#durations?.publish(takenAtMs) ?? [];
    return { takenAtMs, series, gauges, durations, ended: this.#accounts.ended };
  }

  /** All that live, as of the last commit. */
  series(): readonly Series<Labels>[] {
    return this.#accounts.series();
  }

  /** As of the last commit, to be read before the next begin(). Undefined while there is none. */
  save(): SavedLedger<Labels> | undefined {
    if (this.#step !== 'committed' || this.#last === undefined) return undefined;
    return {
      ...this.#last,
      lastTakeover: this.#endpoints.lastTakeover,
      owners: this.#endpoints.owners(),
      formerOwners: this.#endpoints.formerOwners(),
      series: this.#accounts.save(),
    };
  }

  /**
   * A new ledger goes on from what another one has said of itself; `edges` are what a tally said that
   * goes on from its rows. No baseline follows. Returns the series in the order in which they were saved.
   */
  *restore(
    { takenAtMs, localAddresses, ...saved }: SavedLedger<Labels>,
    edges: EdgeColumns,
  ): Generator<void, readonly Series<Labels>[]> {
    const series = this.#accounts.restore(saved.series);
    this.#endpoints.restore(saved);
    const owners = new Map(
      Array.from(saved.owners, ({ address, identity }) => [address, identity]),
    );
    yield* this.begin({ baseline: true, takenAtMs, timestamped: false, localAddresses, edges });
    yield* this.rename((address) => owners.get(address));
    this.commit();
    return series;
  }

  *#read(snapshot: TalliedTable): Generator<void, void> {
    this.#step = 'begun';
    this.#snapshot = snapshot;
    yield* this.#edges.read(snapshot);
    this.#step = 'read';
  }

  #snapshotAfter(step: Step, action: string): TalliedTable {
    if (this.#snapshot !== undefined && this.#step === step) return this.#snapshot;
    throw new Error(`Cannot ${action}: the snapshot is ${this.#step}, not ${step}`);
  }

  /** A series that is new in the snapshot was 0 when the last one was taken. */
  #timesOf({ takenAtMs }: TalliedTable): SeriesTimes {
    const startTimeMs = Math.min(this.#last?.takenAtMs ?? takenAtMs, takenAtMs);
    return { startTimeMs, publishedAtMs: takenAtMs };
  }

  /** How many connections each account has: decides which accounts get a series. */
  #weigh({ takenAtMs, edges: { number, opened, closed, active } }: TalliedTable): void {
    for (let row = 0; row < number.length; row++) {
      const edge = this.#edges.get(number[row]!);
      if (edge === EXCLUDED) continue;
      const connections = rowTotal(active, row);
      const account = edge.account!;
      account.connections += connections;
      account.sample = edge;
      if (connections + opened[row]! + closed[row]! > 0) account.seenAtMs = takenAtMs;
    }
  }

  #count({ edges }: TalliedTable, times: SeriesTimes): Omit<LedgerSize, 'series'> {
    const { number, active, durations } = edges;
    const size = { edges: 0, overflowEdges: 0, excludedEdges: 0, excludedEntries: 0 };
    for (let row = 0; row < number.length; row++) {
      const edge = this.#edges.get(number[row]!);
      const connections = rowTotal(active, row);
      const isLive = connections > 0;
      if (edge === EXCLUDED) {
        if (isLive) size.excludedEdges++;
        size.excludedEntries += connections;
      } else {
        const own = edge.account!.series;
        const series = own ?? this.#accounts.overflowSeries(edge.primary, times);
        addRow(series, { edge, edges, row }, this.#signals);
        if (durations.length > 0) {
          this.#durations?.add(edge, { numbers: durations, at: row * DURATION_COLUMNS }, times);
        }
        if (isLive) size.edges++;
        if (isLive && own === undefined) size.overflowEdges++;
      }
      if (!isLive) this.#edges.end(number[row]!);
    }
    return size;
  }
}

function rowTotal(active: Uint32Array, row: number): number {
  let total = 0;
  const end = (row + 1) * STATE_SLOTS;
  for (let at = row * STATE_SLOTS; at < end; at++) total += active[at]!;
  return total;
}
