import { randomUUID } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import type { Attributes } from '@opentelemetry/api';
import type { SavedLedger } from '../connections/saved-ledger.ts';
import type { Publication, Series } from '../connections/series.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import type { ConnectionProducer } from '../telemetry/connection-producer.ts';
import { savedDelivery, savedEnding, type SavedEnd } from '../telemetry/saved-points.ts';
import { StateMetrics } from '../telemetry/state-metrics.ts';
import { readState, type LoadedState, type StateHead } from './loaded-state.ts';
import { restoreState, type StateParts } from './restore-state.ts';
import { UnusableState } from './state-file.ts';
import { StateFolder } from './state-folder.ts';
import { blocksOf } from './state-records.ts';
import type { SaveResult, SaveSettings } from './state-saver.ts';
import type { StateTerms } from './state-terms.ts';

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
      await restoreState(loaded, parts);
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

  /** To be called between what the ledger has committed and its publication. Rejects when that must not follow. */
  async save({ ended, takenAtMs }: Publication<Attributes>): Promise<void> {
    const result = await this.#write((producer) => endings(ended, takenAtMs, producer));
    if (result.kind === 'nothing') throw new Error('Cannot save a snapshot: its worker died');
  }

  /** After the last push, of which only deltas have to know what it has delivered. Does not reject. */
  async saveLast(): Promise<void> {
    if (this.#parts?.push?.isDelta !== true) return;
    try {
      await this.#write(() => []);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'Cannot save what the last push has delivered');
    }
  }

  async #write(
    endingsOf: (producer: ConnectionProducer) => Iterable<SavedEnd>,
  ): Promise<SaveResult> {
    const saved = this.#parts?.ledger.save();
    if (this.#parts === undefined || saved === undefined) return { kind: 'nothing' };
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
    if (push !== undefined) {
      await write('ended', push.ended.save());
      await write('ended', endingsOf(producer));
    }
    const result = await snapshots.save();
    this.#note(result);
    if (result.kind === 'saved') scrapes.saved(clients);
    metrics.record(result);
    return result;
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

  #note(result: SaveResult): void {
    const { path, log } = this.#options;
    switch (result.kind) {
      case 'saved':
        if (this.#isFailing) log.info('The state is kept again');
        this.#isFailing = false;
        break;
      case 'failed':
        if (!this.#isFailing) {
          const what = 'Cannot save the state, a restart begins anew as long as this lasts';
          log.error({ path }, `${what}: ${result.message}`);
        }
        this.#isFailing = true;
        break;
      case 'shared':
        throw new Failure(
          `Cannot keep state in ${path}: another agent writes there too. Each agent needs a ` +
            '--state-dir of its own.',
          { exitCode: EXIT_FAILURE },
        );
      case 'nothing':
        break;
    }
  }
}

/** Series that end with the next publication: the push has not heard of it. */
function* endings(
  ended: Iterable<Series<Attributes>>,
  takenAtMs: number,
  producer: ConnectionProducer,
): Generator<SavedEnd> {
  for (const series of ended) {
    yield savedEnding(series, { endTimeMs: takenAtMs, points: producer.pointsOf(series) });
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
