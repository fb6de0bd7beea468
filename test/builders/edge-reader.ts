import { FRESH, FRESH_WORDS, NO_PORT, STATE_SLOTS } from '../../src/connections/snapshot.ts';
import type { EdgeColumns } from '../../src/connections/snapshot.ts';
import { formatAddress } from '../../src/net/address.ts';
import { AF_INET } from './flow.ts';

export interface EdgeCounts {
  readonly opened: number;
  readonly closed: number;
  /** By state slot; only those that are not 0. */
  readonly active: Readonly<Record<number, number>>;
}

/** What an edge is told from others by. */
export interface EdgeKey {
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
  readonly backend: string;
  readonly backendPort: number | undefined;
  readonly sourceTranslated: boolean;
  /** That ended the time of the owner of source, destination and backend; all 0 where left out. */
  readonly takeovers?: readonly number[];
}

/** `6 10.1.0.11 > 10.96.0.10:443 = 10.1.0.22:8443 translated` */
export function edgeText(key: EdgeKey): string {
  const { protocol, source, destination, backend, sourceTranslated, takeovers = [] } = key;
  const to = `${destination}:${key.port ?? '-'}`;
  const real = `${backend}:${key.backendPort ?? '-'}`;
  const former = takeovers.some((number) => number > 0) ? ` before ${takeovers.join()}` : '';
  return `${protocol} ${source} > ${to} = ${real}${sourceTranslated ? ' translated' : ''}${former}`;
}

/**
 * Follows the edges of one worker as its main thread does: it learns numbers from fresh records and
 * forgets them with a row of zeros. Throws where a number means two edges, or none.
 */
export class EdgeReader {
  #names = new Map<number, string>();
  #namesBefore: ReadonlyMap<number, string> = new Map();

  /** What replaces what was read last. */
  readAgain(columns: EdgeColumns): Map<string, EdgeCounts> {
    this.#names = new Map(this.#namesBefore);
    return this.read(columns);
  }

  /** Counts by the text of the edge. */
  read(columns: EdgeColumns): Map<string, EdgeCounts> {
    this.#namesBefore = new Map(this.#names);
    for (let at = 0; at < columns.fresh.length; at += FRESH_WORDS) this.#learn(columns.fresh, at);
    const edges = new Map<string, EdgeCounts>();
    for (const [row, number] of columns.number.entries()) {
      const name = this.#names.get(number);
      if (name === undefined) throw new Error(`Cannot name edge ${number}: it was never fresh`);
      if (edges.has(name)) throw new Error(`Cannot count ${name}: it is there twice`);
      const slots = columns.active.subarray(row * STATE_SLOTS, (row + 1) * STATE_SLOTS);
      const active = Object.fromEntries([...slots.entries()].filter(([, count]) => count > 0));
      edges.set(name, { opened: columns.opened[row]!, closed: columns.closed[row]!, active });
      if (Object.keys(active).length === 0) this.#names.delete(number);
    }
    for (const [number, name] of this.#names) {
      if (!edges.has(name)) throw new Error(`Cannot find edge ${number}: it has no row`);
    }
    return edges;
  }

  #learn(fresh: Uint32Array, at: number): void {
    const word = (offset: number) => fresh[at + offset]!;
    const port = (offset: number) => (word(offset) === NO_PORT ? undefined : word(offset));
    const bytes = word(FRESH.family) === AF_INET ? 4 : 16;
    const address = (offset: number) =>
      formatAddress(new Uint8Array(fresh.buffer, (at + offset) * 4, bytes));
    const number = word(FRESH.number);
    if (this.#names.has(number)) throw new Error(`Cannot name edge ${number}: it still lives`);
    const name = edgeText({
      protocol: word(FRESH.protocol),
      source: address(FRESH.source),
      destination: address(FRESH.destination),
      port: port(FRESH.port),
      backend: address(FRESH.backend),
      backendPort: port(FRESH.backendPort),
      sourceTranslated: word(FRESH.sourceTranslated) === 1,
      takeovers: [
        word(FRESH.sourceTakeover),
        word(FRESH.destinationTakeover),
        word(FRESH.backendTakeover),
      ],
    });
    this.#names.set(number, name);
  }
}
