import type { Attributes } from '@opentelemetry/api';
import type {
  SavedFormerOwner,
  SavedLedger,
  SavedOwner,
  SavedSeries,
} from '../connections/saved-ledger.ts';
import type { Schema } from '../inventory/schema.ts';
import { identitySchema } from '../inventory/wire.ts';
import type { SavedDelivery, SavedEnd } from '../telemetry/saved-points.ts';
import type { SavedClient } from '../telemetry/scrape-log.ts';
import { UnusableState, type StateBlock } from './state-file.ts';
import { recordsOf, type RecordKind } from './state-records.ts';
import { misfitOf, type StateTerms } from './state-terms.ts';

export interface StateHead extends StateTerms {
  /** Version of khan, for whoever reads the file. */
  readonly khan: string;
  /** Of the agent: `service.instance.id`. */
  readonly instance: string;
  readonly takenAtMs: number;
  readonly localAddresses: readonly string[];
  readonly lastTakeover: number;
}

interface DeliveredSeries {
  /** Place among the series. */
  readonly at: number;
  readonly counters: SavedDelivery;
}

/** A state that fits, in pieces for those that go on from it. */
export interface LoadedState extends SavedLedger<Attributes> {
  readonly kind: 'state';
  readonly head: StateHead;
  readonly owners: readonly SavedOwner[];
  readonly formerOwners: readonly SavedFormerOwner[];
  readonly series: readonly SavedSeries<Attributes>[];
  readonly clients: readonly SavedClient[];
  readonly delivered: readonly DeliveredSeries[];
  readonly ended: readonly SavedEnd[];
  /** Of the tally, in buffers of their own. */
  readonly columns: readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[];
}

const LABEL_TYPES = new Set(['string', 'number', 'boolean']);

const count = { type: 'integer', minimum: 0 } as const;
const text = { type: 'string' } as const;
const counts = { type: 'object', additionalProperties: count } as const;
const delivery = {
  type: 'object',
  additionalProperties: { type: 'array', items: count },
} as const satisfies Schema;

const HEAD: RecordKind<StateHead> = {
  name: 'head',
  schema: {
    type: 'object',
    required: [
      'khan',
      'instance',
      'node',
      'networkNamespace',
      'boot',
      'settings',
      'takenAtMs',
      'localAddresses',
      'lastTakeover',
    ],
    properties: {
      khan: text,
      instance: text,
      node: text,
      networkNamespace: text,
      boot: text,
      settings: { type: 'object', additionalProperties: text },
      takenAtMs: count,
      localAddresses: { type: 'array', items: text },
      lastTakeover: count,
    },
  },
};

const OWNERS: RecordKind<SavedOwner> = {
  name: 'owners',
  schema: {
    type: 'object',
    required: ['address', 'identity'],
    properties: { address: text, identity: identitySchema },
  },
};

const FORMER_OWNERS: RecordKind<SavedFormerOwner> = {
  name: 'former',
  schema: {
    type: 'object',
    required: ['number', 'address', 'sinceMs', 'identity'],
    properties: { number: count, address: text, sinceMs: count, identity: identitySchema },
  },
};

const SERIES: RecordKind<SavedSeries<Attributes>> = {
  name: 'series',
  schema: {
    type: 'object',
    required: ['labels', 'startTimeMs', 'publishedAtMs', 'counters'],
    properties: {
      labels: { type: 'object' },
      startTimeMs: count,
      publishedAtMs: count,
      seenAtMs: count,
      overflowOf: { type: 'array', items: { type: 'boolean' } },
      counters: counts,
    },
  },
};

const CLIENTS: RecordKind<SavedClient> = {
  name: 'clients',
  schema: {
    type: 'object',
    required: ['client', 'scrapedAtMs', 'seenAtMs'],
    properties: { client: text, scrapedAtMs: count, seenAtMs: count },
  },
};

const DELIVERED: RecordKind<DeliveredSeries> = {
  name: 'delivered',
  schema: {
    type: 'object',
    required: ['at', 'counters'],
    properties: { at: count, counters: delivery },
  },
};

const ENDED: RecordKind<SavedEnd> = {
  name: 'ended',
  schema: {
    type: 'object',
    required: ['labels', 'startTimeMs', 'endTimeMs', 'counters', 'delivered'],
    properties: {
      labels: { type: 'object' },
      startTimeMs: count,
      endTimeMs: count,
      counters: counts,
      delivered: delivery,
    },
  },
};

/** All other blocks are the tally's. */
const RECORD_NAMES = new Set(
  [HEAD, OWNERS, FORMER_OWNERS, SERIES, CLIENTS, DELIVERED, ENDED].map(({ name }) => name),
);

/** What a schema of khan cannot say. */
function checkLabels(all: Iterable<{ readonly labels: Attributes }>): void {
  for (const { labels } of all) {
    if (Object.values(labels).every((value) => LABEL_TYPES.has(typeof value))) continue;
    throw new UnusableState(`it does not hold what it should: ${JSON.stringify(labels)} as labels`);
  }
}

/** Throws an UnusableState where the blocks do not hold what they should. */
export function readState(
  blocks: readonly StateBlock[],
  terms: StateTerms,
  nowMs: number,
): LoadedState | { readonly kind: 'misfit'; readonly reason: string } {
  const [head] = recordsOf(blocks, HEAD);
  if (head === undefined) throw new UnusableState('it has no head');
  const reason = misfitOf(head, { ...terms, nowMs });
  if (reason !== undefined) return { kind: 'misfit', reason };
  const series = recordsOf(blocks, SERIES);
  const ended = recordsOf(blocks, ENDED);
  checkLabels(series);
  checkLabels(ended);
  return {
    kind: 'state',
    head,
    takenAtMs: head.takenAtMs,
    localAddresses: head.localAddresses,
    lastTakeover: head.lastTakeover,
    owners: recordsOf(blocks, OWNERS),
    formerOwners: recordsOf(blocks, FORMER_OWNERS),
    series,
    clients: recordsOf(blocks, CLIENTS),
    delivered: recordsOf(blocks, DELIVERED),
    ended,
    columns: blocks
      .filter(({ name }) => !RECORD_NAMES.has(name))
      .map(({ name, bytes }) => ({ name, bytes: bytes.slice() })),
  };
}
