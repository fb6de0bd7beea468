import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Log } from '../runtime/log.ts';

/** The fastest level: it makes the page a ninth; level 6 saves a third of that for twice the time. */
const GZIP_LEVEL = 1;

/** Of one path, of up to 30 MB each. */
const PAGES_MAX = 8;

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

/** One page, compressed at most once however many clients ask for it. */
export class RenderedPage {
  readonly contentType: string;
  readonly chunks: readonly Uint8Array[];
  readonly #onUnused: () => void;
  #compressed: Promise<readonly Uint8Array[]> | undefined;
  /** Whoever made it has it, too. */
  #uses = 1;

  /** `onUnused` is told once when all have let go of it: its memory may be used again. */
  constructor(chunks: readonly Uint8Array[], contentType: string, onUnused: () => void) {
    this.chunks = chunks;
    this.contentType = contentType;
    this.#onUnused = onUnused;
  }

  hold(): void {
    this.#uses++;
  }

  letGo(): void {
    this.#uses--;
    if (this.#uses === 0) this.#onUnused();
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }

  /** Compression runs on the thread pool. */
  get compressed(): Promise<readonly Uint8Array[]> {
    return (this.#compressed ??= compress(this.chunks));
  }
}

/**
 * Answers a scrape. What cannot be rendered is a 500: a 200 without series would tell Prometheus
 * that the target is well and all series have ended. Resolves to whether the client got the page.
 */
export async function answer(
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  page: Promise<RenderedPage>,
  log: Log,
): Promise<boolean> {
  const { request, response } = exchange;
  const isCompressed = acceptsGzip(request.headers['accept-encoding']);
  let rendered: RenderedPage | undefined;
  let chunks: readonly Uint8Array[];
  try {
    rendered = await page;
    rendered.hold();
    chunks = isCompressed ? await rendered.compressed : rendered.chunks;
  } catch (error) {
    rendered?.letGo();
    log.error({ err: error }, 'Cannot render the page: scrape answered with 500');
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
    response.end('Cannot render the page: see the log\n');
    return false;
  }
  response.writeHead(200, {
    'content-type': rendered.contentType,
    vary: 'accept, accept-encoding',
    'content-length': chunks.reduce((bytes, chunk) => bytes + chunk.length, 0),
    ...(isCompressed && { 'content-encoding': 'gzip' }),
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

async function compress(chunks: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const gzip = createGzip({ level: GZIP_LEVEL });
  const [compressed] = await Promise.all([buffer(gzip), pipeline(Readable.from(chunks), gzip)]);
  return [compressed];
}

/** RFC 9110, 12.5.3: a coding with a quality of 0 is refused. */
function acceptsGzip(acceptEncoding: string | readonly string[] | undefined): boolean {
  return String(acceptEncoding ?? '')
    .split(',')
    .some((coding) => /^\s*(x-)?gzip\s*(;(?!\s*q=0(\.0*)?\s*$).*)?$/i.test(coding));
}
