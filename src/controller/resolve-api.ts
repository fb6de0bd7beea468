import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Ownership } from '../inventory/identity.ts';
import type { Inventory } from '../inventory/inventory.ts';
import {
  ADDRESSES_MAX,
  RESOLVE_PATH,
  resolveRequestSchema,
  resolveResponseSchema,
  type ResolveRequest,
  type ResolveResponse,
} from '../inventory/wire.ts';
import { requireNode, type Caller } from './authenticate.ts';
import { decompress } from './compression.ts';
import { EntryTexts } from './entry.ts';
import { RESOLVE_PROBLEM_RESPONSES, Problem } from './problem.ts';
import type { SelfMetrics } from './self-metrics.ts';
import { TokenBuckets } from './token-bucket.ts';
import { NoTurn, Turns } from './turns.ts';

/** Requests at a time; each holds its body twice at most, compressed and not. The others wait. */
const IN_FLIGHT_MAX = 64;
const BUSY_RETRY_MS = 1000;
const NOT_SYNCED_RETRY_SECONDS = 5;
/** An agent remembers 131,072 addresses and asks one after the other about ADDRESSES_MAX of them. */
const REQUESTS_FOR_ALL = 32;
const NODES_MAX = 32_768;
/** Those that were refused together must not come back together. */
const RETRY_SPREAD_MS = 2000;

export interface Knowledge {
  readonly inventory: Inventory;
  /** Whether all sources of the inventory have been read, and whether one of them is away now. */
  readonly state: () => { readonly synced: boolean; readonly stale: boolean };
}

/** A {@link ResolveResponse} before it is JSON. */
type Answer = Omit<ResolveResponse, 'entries'> & {
  /** Members of a JSON object. An address that is asked for twice is told twice. */
  readonly entries: string;
};

/** What answers are made from. */
type Responder = Pick<ResolveApiOptions, 'inventory' | 'state' | 'nextPollMs'> & {
  readonly epoch: string;
  readonly texts: EntryTexts;
};

export interface ResolveApiOptions extends Knowledge {
  readonly nextPollMs: number;
  readonly metrics: SelfMetrics;
  /** Who sent the request; undefined where nobody is asked who they are. */
  readonly callerOf: (request: FastifyRequest) => Caller | undefined;
  /** How long a request waits for its turn. */
  readonly waitMsMax?: number;
}

/**
 * What one node may ask. Within `nextPollMs` an agent asks about all that it remembers, and twice about
 * what nobody owns; about what is new at each of its own polls, a second or more apart. All of it may
 * come at once, and once more when a connection broke in between.
 */
export function nodeBudget(nextPollMs: number): {
  readonly ratePerSecond: number;
  readonly burst: number;
} {
  const burst = 2 * REQUESTS_FOR_ALL;
  return { ratePerSecond: (1000 * burst) / nextPollMs + 2, burst };
}

/** POST /v1/resolve. */
export function resolveApi(app: FastifyInstance, options: ResolveApiOptions): void {
  const { state, metrics, callerOf, nextPollMs, waitMsMax } = options;
  const responder = { ...options, epoch: randomUUID(), texts: new EntryTexts() };
  const buckets = new TokenBuckets({ ...nodeBudget(nextPollMs), keysMax: NODES_MAX });
  const turns = new Turns({
    atATimeMax: IN_FLIGHT_MAX,
    ...(waitMsMax !== undefined && { waitMsMax }),
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) =>
      parseJson(await decompress(body, request.headers['content-encoding']?.toLowerCase())),
  );

  app.addContentTypeParser('*', async () => {
    throw new Problem(415, 'The content type is not application/json');
  });

  app.addHook('onRequest', async (_request, { raw: response }) => {
    const startedMs = performance.now();
    response.once('close', () => {
      metrics.resolved({
        status: response.writableFinished ? response.statusCode : undefined,
        durationMs: performance.now() - startedMs,
      });
    });
    if (!state().synced) {
      const headers = { 'retry-after': String(NOT_SYNCED_RETRY_SECONDS) };
      throw new Problem(503, 'The inventory is not complete yet', { headers });
    }
  });

  // After authentication: whoever waits for a review keeps nobody out who needs none.
  app.addHook('preParsing', async (_request, { raw: response }, payload) => {
    const end = await turns.take().catch((error: unknown) => {
      if (!(error instanceof NoTurn)) throw error;
      throw tooMany(`${IN_FLIGHT_MAX} requests are in flight: ${error.message}`, BUSY_RETRY_MS);
    });
    // Its sender may have gone away meanwhile: then it closes no second time, and nobody reads an answer.
    if (response.closed) {
      end();
      throw new Problem(408, 'The sender went away while it waited');
    }
    response.once('close', end);
    return payload;
  });

  app.post<{ Body: ResolveRequest; Reply: Answer }>(
    RESOLVE_PATH,
    {
      schema: {
        summary: 'Who owns these addresses, and which of the known ones have another owner',
        body: resolveRequestSchema,
        response: { 200: resolveResponseSchema, ...RESOLVE_PROBLEM_RESPONSES },
      },
      // The answer is typed; the schemas are for the document.
      serializerCompiler: ({ httpStatus }) => (httpStatus === '200' ? answerText : JSON.stringify),
    },
    (request) => {
      const { node } = request.body;
      requireNode(callerOf(request), node);
      const waitMs = buckets.take(node);
      if (waitMs > 0) {
        metrics.throttled();
        throw tooMany(`${node} has asked too often`, waitMs);
      }
      return answer(request.body, responder);
    },
  );
}

function answer(
  { epoch: knownEpoch, since = 0, have = [], want = [] }: ResolveRequest,
  { inventory, state, nextPollMs, epoch, texts }: Responder,
): Answer {
  if (have.length + want.length > ADDRESSES_MAX) {
    const members = { addressesMax: ADDRESSES_MAX };
    throw new Problem(413, `The request has more than ${ADDRESSES_MAX} addresses`, { members });
  }
  inventory.expire();
  const reset =
    knownEpoch !== epoch || since < inventory.historyStart || since > inventory.revision;
  const gone: string[] = [];
  // Text from the start: a map in between is made and read in memory that is far away.
  let entries = '';
  const tell = (address: string, ownership: Ownership) => {
    const comma = entries === '' ? '' : ',';
    entries += `${comma}${JSON.stringify(address)}:${texts.textOf(ownership)}`;
  };
  for (const address of have) {
    if (!reset && !inventory.hasChanged(address, since)) continue;
    const ownership = inventory.ownershipOf(address);
    if (ownership !== undefined) tell(address, ownership);
    else if (!reset) gone.push(address);
  }
  for (const address of want) {
    const ownership = inventory.ownershipOf(address);
    if (ownership !== undefined) tell(address, ownership);
  }
  return { epoch, rev: inventory.revision, ...state(), entries, gone, reset, nextPollMs };
}

function answerText({ entries, ...rest }: Answer): string {
  return `${JSON.stringify(rest).slice(0, -1)},"entries":{${entries}}}`;
}

function tooMany(detail: string, waitMs: number): Problem {
  const seconds = Math.ceil((waitMs + RETRY_SPREAD_MS * Math.random()) / 1000);
  return new Problem(429, detail, { headers: { 'retry-after': String(seconds) } });
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new Problem(400, 'The body is not JSON', { cause });
  }
}
