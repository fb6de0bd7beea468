import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Inventory } from '../inventory/inventory.ts';
import {
  ADDRESSES_MAX,
  RESOLVE_PATH,
  resolveRequestSchema,
  resolveResponseSchema,
  type ResolvedEntry,
  type ResolveRequest,
  type ResolveResponse,
} from '../inventory/wire.ts';
import { requireNode, type Caller } from './authenticate.ts';
import { decompress } from './compression.ts';
import { entryOf } from './entry.ts';
import { BODY_PROBLEM_RESPONSES, Problem } from './problem.ts';
import type { SelfMetrics } from './self-metrics.ts';
import { TokenBuckets } from './token-bucket.ts';

/** Requests at a time; each holds its body twice at most, compressed and not. */
const IN_FLIGHT_MAX = 64;
const BUSY_RETRY_SECONDS = 1;
const NOT_SYNCED_RETRY_SECONDS = 5;
/**
 * An agent asks once a poll, which is a second or more, in as many requests as its addresses need: 32
 * for all that it may remember.
 */
const NODE_REQUESTS_PER_SECOND = 4;
const NODE_REQUESTS_BURST = 64;
const NODES_MAX = 32_768;
/** Those that were refused together must not come back together. */
const RETRY_SPREAD_MS = 2000;

export interface Knowledge {
  readonly inventory: Inventory;
  /** Whether all sources of the inventory have been read, and whether one of them is away now. */
  readonly state: () => { readonly synced: boolean; readonly stale: boolean };
}

export interface ResolveApiOptions extends Knowledge {
  readonly nextPollMs: number;
  readonly metrics: SelfMetrics;
  /** Who sent the request; undefined where nobody is asked who they are. */
  readonly callerOf: (request: FastifyRequest) => Caller | undefined;
}

/** POST /v1/resolve. */
export function resolveApi(app: FastifyInstance, options: ResolveApiOptions): void {
  const { state, metrics, callerOf } = options;
  const epoch = randomUUID();
  const buckets = new TokenBuckets({
    ratePerSecond: NODE_REQUESTS_PER_SECOND,
    burst: NODE_REQUESTS_BURST,
    keysMax: NODES_MAX,
  });
  let inFlight = 0;

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
    inFlight++;
    response.once('close', () => {
      inFlight--;
      metrics.resolved({
        status: response.writableFinished ? response.statusCode : undefined,
        durationMs: performance.now() - startedMs,
      });
    });
    if (inFlight > IN_FLIGHT_MAX) {
      const headers = { 'retry-after': String(BUSY_RETRY_SECONDS) };
      throw new Problem(429, `${IN_FLIGHT_MAX} requests are in flight`, { headers });
    }
    if (!state().synced) {
      const headers = { 'retry-after': String(NOT_SYNCED_RETRY_SECONDS) };
      throw new Problem(503, 'The inventory is not complete yet', { headers });
    }
  });

  app.post<{ Body: ResolveRequest; Reply: ResolveResponse }>(
    RESOLVE_PATH,
    {
      schema: {
        summary: 'Who owns these addresses, and which of the known ones have another owner',
        body: resolveRequestSchema,
        response: { 200: resolveResponseSchema, ...BODY_PROBLEM_RESPONSES },
      },
      // The answer is typed, and JSON.stringify() is faster; the schema is for the document.
      serializerCompiler: () => JSON.stringify,
    },
    (request) => {
      const { node } = request.body;
      requireNode(callerOf(request), node);
      const waitMs = buckets.take(node);
      if (waitMs > 0) {
        const seconds = Math.ceil((waitMs + RETRY_SPREAD_MS * Math.random()) / 1000);
        const headers = { 'retry-after': String(seconds) };
        throw new Problem(429, `${node} has asked too often`, { headers });
      }
      return answer(request.body, epoch, options);
    },
  );
}

function answer(
  { epoch: knownEpoch, since = 0, have = [], want = [] }: ResolveRequest,
  epoch: string,
  { inventory, state, nextPollMs }: ResolveApiOptions,
): ResolveResponse {
  if (have.length + want.length > ADDRESSES_MAX) {
    const members = { addressesMax: ADDRESSES_MAX };
    throw new Problem(413, `The request has more than ${ADDRESSES_MAX} addresses`, { members });
  }
  inventory.expire();
  const reset =
    knownEpoch !== epoch || since < inventory.historyStart || since > inventory.revision;
  const entries: Record<string, ResolvedEntry> = {};
  const gone: string[] = [];
  for (const address of have) {
    if (!reset && inventory.revisionOf(address) <= since) continue;
    const entry = entryOf(inventory, address);
    if (entry !== undefined) entries[address] = entry;
    else if (!reset) gone.push(address);
  }
  for (const address of want) {
    const entry = entryOf(inventory, address);
    if (entry !== undefined) entries[address] = entry;
  }
  return { epoch, rev: inventory.revision, ...state(), entries, gone, reset, nextPollMs };
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new Problem(400, 'The body is not JSON', { cause });
  }
}
