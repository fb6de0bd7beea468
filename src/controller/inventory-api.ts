import type { FastifyInstance } from 'fastify';
import type { Inventory } from '../inventory/inventory.ts';
import { resolvedEntrySchema, type ResolvedEntry } from '../inventory/wire.ts';
import { entryOf } from './entry.ts';
import { Problem, PROBLEM_RESPONSES } from './problem.ts';

const PAGE_ADDRESSES = 500;
const PAGE_ADDRESSES_MAX = 5000;

interface Page {
  readonly rev: number;
  readonly entries: Readonly<Record<string, ResolvedEntry>>;
  /** Of the next page; absent on the last one. */
  readonly continue?: string;
}

interface Query {
  readonly limit?: string;
  readonly continue?: string;
}

const querySchema = {
  type: 'object',
  properties: {
    limit: {
      type: 'string',
      pattern: String.raw`^\d{1,4}$`,
      description: `Addresses of a page, 1 to ${PAGE_ADDRESSES_MAX}; ${PAGE_ADDRESSES} unless given`,
    },
    continue: { type: 'string', maxLength: 45, description: 'What the page before ended with' },
  },
} as const;

const pageSchema = {
  type: 'object',
  required: ['rev', 'entries'],
  properties: {
    rev: { type: 'integer', minimum: 0 },
    entries: { type: 'object', additionalProperties: resolvedEntrySchema },
    continue: { type: 'string' },
  },
} as const;

/** GET /v1/inventory: what is known, for whoever looks for a fault. */
export function inventoryApi(
  app: FastifyInstance,
  { inventory }: { readonly inventory: Inventory },
): void {
  app.get<{ Querystring: Query; Reply: Page }>(
    '/v1/inventory',
    {
      schema: {
        summary: 'All addresses that are claimed, in pages, in no particular order',
        querystring: querySchema,
        response: { 200: pageSchema, ...PROBLEM_RESPONSES },
      },
      // The response is typed; the schema is for the document.
      serializerCompiler: () => JSON.stringify,
    },
    ({ query: { limit: text = String(PAGE_ADDRESSES), continue: after } }) => {
      const limit = Number(text);
      if (limit < 1 || limit > PAGE_ADDRESSES_MAX) {
        throw new Problem(400, `limit is not 1 to ${PAGE_ADDRESSES_MAX}`);
      }
      const entries: Record<string, ResolvedEntry> = {};
      let served = 0;
      let last: string | undefined;
      for (const address of inventory.addresses({ after })) {
        if (served === limit) return { rev: inventory.revision, entries, continue: last! };
        const entry = entryOf(inventory, address);
        if (entry !== undefined) entries[address] = entry;
        last = address;
        served++;
      }
      return { rev: inventory.revision, entries };
    },
  );
}
