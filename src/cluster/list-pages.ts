import type { ApiConnection } from './api-connection.ts';
import { metadataOf, resourceVersionOf } from './object-meta.ts';
import { MalformedEvent } from './watch-events.ts';

const PAGE_OBJECTS = 500;

export interface Page {
  readonly items: readonly unknown[];
  /** As of which all pages are: the same for each. */
  readonly resourceVersion: string;
}

/**
 * All objects of a collection. Without a resourceVersion: with 0 the server ignores the limit and
 * answers with everything at once. Throws an ApiError, of status 410 when the pages took too long.
 */
export async function* listPages(
  connection: ApiConnection,
  path: string,
  selectors: Readonly<Record<string, string>>,
  options: { readonly signal: AbortSignal },
): AsyncGenerator<Page> {
  const query = { ...selectors, limit: String(PAGE_OBJECTS) };
  let next: unknown;
  do {
    const list = await connection.getJson(
      path,
      typeof next === 'string' ? { ...query, continue: next } : query,
      options,
    );
    yield { items: itemsOf(list), resourceVersion: resourceVersionOf(list) };
    next = metadataOf(list)['continue'];
  } while (typeof next === 'string' && next !== '');
}

function itemsOf(list: unknown): readonly unknown[] {
  const items = typeof list === 'object' && list !== null && 'items' in list ? list.items : [];
  // A list without objects has no items, or null.
  if (items === null) return [];
  if (Array.isArray(items)) return items;
  throw new MalformedEvent('Cannot read a list: its items are none');
}
