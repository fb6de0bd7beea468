import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Log } from '../runtime/log.ts';

/** Prometheus exposition formats, "Text-based format". */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The fastest level: it makes the page a ninth; level 6 saves a third of that for twice the time. */
const GZIP_LEVEL = 1;

const compress = promisify(gzip);

/** One page in the Prometheus text format, compressed at most once however many clients ask for it. */
export class RenderedPage {
  readonly text: string;
  #compressed: Promise<Buffer> | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** Compression runs on the thread pool. */
  get compressed(): Promise<Buffer> {
    return (this.#compressed ??= compress(this.text, { level: GZIP_LEVEL }));
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
  let body: string | Buffer;
  try {
    body = isCompressed ? await (await page).compressed : (await page).text;
  } catch (error) {
    log.error({ err: error }, 'Cannot render the page: scrape answered with 500');
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
    response.end('Cannot render the page: see the log\n');
    return false;
  }
  response.writeHead(200, {
    'content-type': CONTENT_TYPE,
    vary: 'accept-encoding',
    'content-length': Buffer.byteLength(body),
    ...(isCompressed && { 'content-encoding': 'gzip' }),
  });
  try {
    await finished(response.end(body));
    return true;
  } catch (error) {
    log.debug({ err: error }, 'The client left before it had the whole page');
    return false;
  }
}

/** RFC 9110, 12.5.3: a coding with a quality of 0 is refused. */
function acceptsGzip(acceptEncoding: string | readonly string[] | undefined): boolean {
  return String(acceptEncoding ?? '')
    .split(',')
    .some((coding) => /^\s*(x-)?gzip\s*(;(?!\s*q=0(\.0*)?\s*$).*)?$/i.test(coding));
}
