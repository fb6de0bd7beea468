import { randomUUID } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import type { Attributes, Meter } from '@opentelemetry/api';
import type { Ledger } from '../connections/ledger.ts';
import type { SavedLedger } from '../connections/saved-ledger.ts';
import type { Series } from '../connections/series.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import type { ConnectionProducer } from '../telemetry/connection-producer.ts';
import type { OtlpPush } from '../telemetry/otlp-reader.ts';
import { restoreDelivery, savedDelivery } from '../telemetry/saved-points.ts';
import type { ScrapeLog } from '../telemetry/scrape-log.ts';
import { StateMetrics } from '../telemetry/state-metrics.ts';
import type { Names } from './names.ts';
import type { SnapshotSource } from './snapshot-source.ts';
import { readState, type LoadedState, type StateHead } from './loaded-state.ts';
import { UnusableState } from './state-file.ts';
import { StateFolder } from './state-folder.ts';
import { blocksOf } from './state-records.ts';
import type { SaveSettings } from './state-saver.ts';
import type { StateTerms } from './state-terms.ts';

/** Everything that goes on over a restart. */
export interface StateParts {
  readonly snapshots: SnapshotSource;
  readonly ledger: Ledger<Attributes>;
  readonly names: Names;
  readonly scrapes: ScrapeLog;
  readonly producer: ConnectionProducer;
  readonly push: Pick<OtlpPush, 'ended' | 'isDelta'> | undefined;
  readonly meter: Meter;
}

export interface AgentStateOptions {
  /** Of `--state-dir`. */
  readonly path: string;
  readonly version: string;
  readonly terms: StateTerms;
  readonly log: Log;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * What outlives the agent. A snapshot is saved before it is published, so that no page and no push has ever
 * shown more than an agent knows that goes on from there: no counter falls.
 */
export class AgentState {
  readonly #options: Required<AgentStateOptions>;
  readonly #folder: StateFolder;
  #loaded: LoadedState | undefined;
  #parts: (StateParts & { readonly metrics: StateMetrics }) | undefined;
  #isFailing = false;
  /** Of the agent on this node, as long as its state is kept. */
  readonly instanceId: string;
  /** For whoever writes it. */
  readonly place: SaveSettings;

  /** Throws a Failure when nothing can be written there. */
  constructor(options: AgentStateOptions) {
    this.#options = { now: Date.now, ...options };
    this.#folder = new StateFolder(options.path);
    this.#folder.open();
    this.#loaded = this.#load();
    this.instanceId = this.#loaded?.head.instance ?? randomUUID();
    this.place = { path: options.path, stamp: this.#folder.stamp() };
  }

  /** From now on it is the state of these; they go on from what was kept, if anything was. */
  async begin(parts: StateParts): Promise<void> {
    this.#parts = { ...parts, metrics: new StateMetrics(parts.meter) };
    const loaded = this.#loaded;
    this.#loaded = undefined;
    if (loaded === undefined) return;
    try {
      await goOn(loaded, parts);
    } catch (cause) {
      // Half of it may be restored. The next start finds nothing to stumble over.
      const aside = this.#folder.setAside(this.#options.now());
      this.#options.log.error({ err: cause }, 'Cannot go on from the state');
      throw new Failure(
        `Cannot go on from the state: it was set aside as ${aside}, and the next start is anew.`,
        { exitCode: EXIT_FAILURE, cause },
      );
    }
    const { takenAtMs, boot } = loaded.head;
    this.#options.log.info(
      {
        takenAt: new Date(takenAtMs).toISOString(),
        ...parts.ledger.size,
        isOtherBoot: boot !== this.#options.terms.boot,
      },
      'Goes on from the state',
    );
  }

  /** To be called between two snapshots, before what the ledger has committed last is published. */
  async save(): Promise<void> {
    const saved = this.#parts?.ledger.save();
    if (this.#parts === undefined || saved === undefined) return;
    const { snapshots, ledger, scrapes, producer, push, metrics } = this.#parts;
    const clients = scrapes.save();
    const write = async (name: string, records: Iterable<object>): Promise<void> => {
      for (const block of blocksOf(name, records)) {
        snapshots.write(block.name, block.bytes);
        await pause();
      }
    };
    await write('head', [this.#headOf(saved)]);
    await write('owners', saved.owners);
    await write('former', saved.formerOwners);
    await write('series', saved.series);
    await write('clients', clients);
    if (push?.isDelta === true) await write('delivered', deliveries(ledger.series(), producer));
    if (push !== undefined) await write('ended', push.ended.save());
    const result = await snapshots.save();
    switch (result.kind) {
      case 'saved':
        if (this.#isFailing) this.#options.log.info('The state is kept again');
        this.#isFailing = false;
        scrapes.saved(clients);
        metrics.saved(result.bytes);
        break;
      case 'failed':
        this.#note(result.message);
        metrics.failed();
        break;
      case 'shared':
        throw new Failure(
          `Cannot keep state in ${this.#options.path}: another agent writes there too. Each agent ` +
            'needs a --state-dir of its own.',
          { exitCode: EXIT_FAILURE },
        );
      case 'nothing':
        break;
    }
  }

  /** After the last push, of which only deltas have to know what it has delivered. Does not reject. */
  async saveLast(): Promise<void> {
    if (this.#parts?.push?.isDelta !== true) return;
    try {
      await this.save();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'Cannot save what the last push has delivered');
    }
  }

  #load(): LoadedState | undefined {
    const { log, terms, now } = this.#options;
    const path = this.#folder.filePath;
    try {
      const blocks = this.#folder.read();
      const loaded = blocks === undefined ? undefined : readState(blocks, terms, now());
      if (loaded?.kind !== 'misfit') return loaded;
      log.warn({ path }, `Cannot go on from the state, counters begin anew: ${loaded.reason}`);
    } catch (error) {
      if (!(error instanceof UnusableState)) throw error;
      const aside = this.#folder.setAside(now());
      log.warn(
        { aside, err: error },
        `Cannot use the state, counters begin anew and it was set aside: ${error.message}`,
      );
    }
    return undefined;
  }

  #headOf({ takenAtMs, localAddresses, lastTakeover }: SavedLedger<Attributes>): StateHead {
    const { version, terms } = this.#options;
    const { instanceId: instance } = this;
    return { khan: version, instance, ...terms, takenAtMs, localAddresses, lastTakeover };
  }

  #note(message: string): void {
    if (!this.#isFailing) {
      this.#options.log.error(
        { path: this.#options.path },
        `Cannot save the state, a restart begins anew as long as this lasts: ${message}`,
      );
    }
    this.#isFailing = true;
  }
}

function* deliveries(series: Iterable<Series<Attributes>>, producer: ConnectionProducer) {
  let at = 0;
  for (const one of series) {
    const counters = savedDelivery(producer.pointsOf(one));
    if (counters !== undefined) yield { at, counters };
    at++;
  }
}

async function goOn(loaded: LoadedState, parts: StateParts): Promise<void> {
  const { head, owners, formerOwners, columns, clients } = loaded;
  const edges = await parts.snapshots.resume(columns, formerOwners);
  const restoring = parts.ledger.restore(loaded, edges);
  let step = restoring.next();
  while (step.done !== true) {
    await pause();
    step = restoring.next();
  }
  parts.names.restore(
    owners.map(({ address, identity }) => [address, identity]),
    head.takenAtMs,
  );
  parts.scrapes.restore(clients, head.takenAtMs);
  if (parts.push !== undefined) restorePush(step.value, loaded, parts);
}

/** What the last push had delivered, and what was waiting for one. */
function restorePush(
  series: readonly Series<Attributes>[],
  { delivered, ended }: LoadedState,
  { producer, push }: StateParts,
): void {
  push?.ended.restore(ended);
  // Also those of which nothing was delivered: they may end before they are published.
  for (const one of series) producer.pointsOf(one);
  for (const { at, counters } of delivered) {
    const one = series[at];
    if (one !== undefined) restoreDelivery(producer.pointsOf(one), counters);
  }
}
