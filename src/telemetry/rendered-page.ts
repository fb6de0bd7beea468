import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, type Gzip } from 'node:zlib';
import type { Log } from '../runtime/log.ts';

/** The fastest level: it makes the page a ninth; level 6 saves a third of that for twice the time. */
const GZIP_LEVEL = 1;
/** Above the C library's threshold (Dockerfile): what is freed goes back to the system. */
const GZIP_CHUNK_BYTES = 256 * 1024;

/** Of one path, of up to 30 MB each. */
const PAGES_MAX = 8;

export type Coding = 'gzip' | 'identity';

/** Bounds how many pages are made or read at once: a reader who stops reading holds one. */
export class PageBudget {
  #pages = 0;

  /** `make` gives its page `onUnused`. Rejects when there are too many. */
  async make(make: (onUnused: () => void) => Promise<RenderedPage>): Promise<RenderedPage> {
    if (this.#pages === PAGES_MAX) throw new Error(`${PAGES_MAX} pages are still being read`);
    this.#pages++;
    const end = (): void => {
      this.#pages--;
    };
    try {
      return await make(end);
    } catch (error) {
      end();
      throw error;
    }
  }
}

/** One page in one coding, however many clients ask for it. */
export class RenderedPage {
  readonly contentType: string;
  readonly coding: Coding;
  readonly chunks: readonly Uint8Array[];
  readonly #onUnused: () => void;
  /** Whoever made it has it, too. */
  #uses = 1;

  constructor(options: {
    readonly contentType: string;
    readonly coding: Coding;
    readonly chunks: readonly Uint8Array[];
    /** Is told once when all have let go of it: its memory may be used again. */
    readonly onUnused: () => void;
  }) {
    this.contentType = options.contentType;
    this.coding = options.coding;
    this.chunks = options.chunks;
    this.#onUnused = options.onUnused;
  }

  hold(): void {
    this.#uses++;
  }

  letGo(): void {
    this.#uses--;
    if (this.#uses === 0) this.#onUnused();
  }
}

/**
 * Answers a scrape. What cannot be rendered is a 500: a 200 without series would tell Prometheus
 * that the target is well and all series have ended. Resolves to whether the client got the page.
 */
export async function answer(
  response: ServerResponse,
  page: Promise<RenderedPage>,
  log: Log,
): Promise<boolean> {
  let rendered: RenderedPage;
  try {
    rendered = await page;
  } catch (error) {
    log.error({ err: error }, 'Cannot render the page: scrape answered with 500');
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
    response.end('Cannot render the page: see the log\n');
    return false;
  }
  const { contentType, coding, chunks } = rendered;
  rendered.hold();
  response.writeHead(200, {
    'content-type': contentType,
    vary: 'accept, accept-encoding',
    'content-length': chunks.reduce((bytes, chunk) => bytes + chunk.length, 0),
    ...(coding !== 'identity' && { 'content-encoding': coding }),
  });
  try {
    await pipeline(Readable.from(chunks, { objectMode: true }), response);
    return true;
  } catch (error) {
    log.debug({ err: error }, 'The client left before it had the whole page');
    return false;
  } finally {
    rendered.letGo();
  }
}

/**
 * Compression runs on the thread pool. `onRead` is told of each piece that has been read: its memory may
 * be used again for the next one.
 */
export async function compress(
  pieces: Iterable<Uint8Array>,
  onRead: (piece: Uint8Array) => void = () => {},
): Promise<readonly Uint8Array[]> {
  const gzip = createGzip({ level: GZIP_LEVEL, chunkSize: GZIP_CHUNK_BYTES });
  const compressed = Array.fromAsync<Uint8Array>(gzip);
  try {
    for (const piece of pieces) {
      await written(gzip, piece);
      onRead(piece);
    }
    gzip.end();
  } catch (error) {
    gzip.destroy();
    await compressed.catch(() => {});
    throw error;
  }
  return compressed;
}

function written(gzip: Gzip, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    gzip.write(piece, (error) => (error ? reject(error) : resolve()));
  });
}

/** RFC 9110, 12.5.3: a coding with a quality of 0 is refused. */
export function chooseCoding({ headers }: IncomingMessage): Coding {
  const codings = (headers['accept-encoding'] ?? '').split(',');
  const isGzip = codings.some((coding) =>
    /^\s*(x-)?gzip\s*(;(?!\s*q=0(\.0*)?\s*$).*)?$/i.test(coding),
  );
  return isGzip ? 'gzip' : 'identity';
}
