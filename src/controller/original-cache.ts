import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Inventory } from '../inventory/inventory.ts';

/** Written at once; the event loop is free between two parts. */
const PART_ADDRESSES = 500;

/**
 * GET /cache: the whole inventory as agents of the original khan read it, an object by address in
 * which every value is a string.
 */
export function originalCache(
  app: FastifyInstance,
  { inventory }: { readonly inventory: Inventory },
): void {
  app.get('/cache', { schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(Readable.from(parts(inventory))),
  );
}

function* parts(inventory: Inventory): Generator<string> {
  const nodeAddresses = nodeAddressesOf(inventory);
  let part = '{';
  let addresses = 0;
  for (const address of inventory.addresses()) {
    const { type, namespace = '', name, app = '', node = '' } = inventory.identityOf(address) ?? {};
    const nodeIP = nodeAddresses.get(node) ?? '';
    const host = { type, namespace, name, app, nodeIP };
    part += `${addresses === 0 ? '' : ','}${JSON.stringify(address)}:${JSON.stringify(host)}`;
    if (++addresses % PART_ADDRESSES !== 0) continue;
    yield part;
    part = '';
  }
  yield `${part}}\n`;
}

/** The first address of each node, by the node's name. */
function nodeAddressesOf(inventory: Inventory): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const address of inventory.addresses()) {
    const identity = inventory.identityOf(address);
    if (identity?.type === 'node' && !found.has(identity.name)) found.set(identity.name, address);
  }
  return found;
}
