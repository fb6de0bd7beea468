import { promisify } from 'node:util';
import { constants, gunzip, gzip } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { REQUEST_BYTES_MAX } from '../inventory/wire.ts';
import { Problem, tooLarge } from './problem.ts';

/** Below it, the headers cost as much as the compression saves. */
const COMPRESSED_BYTES_MIN = 1024;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** The body of a request as it was before its Content-Encoding. Throws a {@link Problem}. */
export async function decompress(body: Buffer, encoding = 'identity'): Promise<Buffer> {
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    // RFC 9110, section 15.5.16
    const headers = { 'accept-encoding': 'gzip' };
    throw new Problem(415, `The content encoding ${encoding} is not known here`, { headers });
  }
  try {
    return await gunzipAsync(body, { maxOutputLength: REQUEST_BYTES_MAX });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge(cause);
    throw new Problem(400, 'The body is not gzip, as its content encoding says', { cause });
  }
}

/** Compresses what is worth it for those who accept it. */
export function compressResponses(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    if (typeof payload !== 'string' || payload.length < COMPRESSED_BYTES_MIN) return payload;
    reply.header('vary', 'accept-encoding');
    if (!acceptsGzip(request.headers['accept-encoding'])) return payload;
    reply.header('content-encoding', 'gzip').removeHeader('content-length');
    return gzipAsync(payload, { level: constants.Z_BEST_SPEED });
  });
}

/** `gzip;q=0` refuses it (RFC 9110, section 12.5.3). */
function acceptsGzip(header: string | string[] | undefined): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(header ?? ''));
}
