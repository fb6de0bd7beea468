import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { certificate } from '../builders/certificate.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the body, before compression. */
  readonly bytes: number;
}

/**
 * The intakes of several vendors on loopback, over TLS: each is a folder of the URL. They note how
 * they are asked, and hand the request on to a Collector, which can read it.
 */
export async function startIntakes(
  t: Test,
  /** Vendor → OTLP endpoint of the Collector that reads for it. */
  readers: Readonly<Record<string, string>>,
): Promise<{
  readonly url: string;
  readonly cert: string;
  /** What a vendor was asked until now. */
  readonly asked: (vendor: string) => readonly Asked[];
}> {
  const asked = new Map<string, Asked[]>(Object.keys(readers).map((vendor) => [vendor, []]));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const [, vendor = '', ...rest] = (request.url ?? '').split('/');
    const { headers } = request;
    const bytes = gunzipSync(body).length;
    asked.get(vendor)?.push({ path: `/${rest.join('/')}`, headers, bytes });
    const { status } = await fetch(`${readers[vendor]}/v1/metrics`, {
      method: 'POST',
      body,
      headers: {
        'content-type': headers['content-type'] ?? '',
        'content-encoding': headers['content-encoding'] ?? 'identity',
      },
    });
    response.writeHead(status, { 'content-type': 'application/x-protobuf' }).end();
  };
  const { cert, key } = await certificate({ addresses: ['127.0.0.1'] });
  const server = createServer({ cert, key }, (request, response) => {
    // A Collector tries again.
    answer(request, response).catch(() => response.writeHead(503).end());
  });
  const port = await listenOnLoopback(t, server);
  t.teardown(() => server.closeAllConnections());
  return {
    url: `https://127.0.0.1:${port}`,
    cert,
    asked: (vendor) => asked.get(vendor) ?? [],
  };
}
