import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createTlsServer,
  Server as TlsServer,
  type ServerOptions,
} from 'node:https';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { listenOnLoopback } from './loopback.ts';
import { requestOfProtobuf } from './otlp-protobuf.ts';

/** OTLP/JSON: 64-bit integers are text, or numbers where they fit. */
export interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number;
    readonly boolValue?: boolean;
  };
}

export interface NumberPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asInt?: number;
}

export interface OtlpMetric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly sum?: {
    readonly aggregationTemporality: number;
    readonly isMonotonic: boolean;
    readonly dataPoints: readonly NumberPoint[];
  };
}

export interface ExportRequest {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly OtlpMetric[] }[];
  }[];
}

interface Push {
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly metrics: ReadonlyMap<string, OtlpMetric>;
}

interface Options {
  /** Else it speaks clear text. */
  readonly tls?: ServerOptions;
  /** Else each request is accepted. */
  readonly answer?: (response: ServerResponse) => void | Promise<void>;
}

/** A collector on loopback that keeps what it is sent. */
export async function otlpReceiver(t: Test, { tls, answer = accept }: Options = {}) {
  const pushes: Push[] = [];
  let connections = 0;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    pushes.push(decode(request, await buffer(request)));
    response.setHeader('content-type', request.headers['content-type'] ?? '');
    await answer(response);
  };
  const handle = (request: IncomingMessage, response: ServerResponse) =>
    void receive(request, response);
  const server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
  server.on(tls === undefined ? 'connection' : 'secureConnection', () => connections++);
  const port = await listenOnLoopback(t, server);
  t.teardown(() => server.closeAllConnections());
  const scheme = tls === undefined ? 'http' : 'https';
  return {
    endpoint: `${scheme}://127.0.0.1:${port}`,
    pushes,
    server,
    connections: () => connections,
    /** For connections that come. */
    setSecureContext: (context: ServerOptions) => {
      if (server instanceof TlsServer) server.setSecureContext(context);
    },
  };
}

/** An empty ExportMetricsServiceResponse, in both encodings. */
function accept(response: ServerResponse): void {
  response.end(response.getHeader('content-type') === 'application/json' ? '{}' : '');
}

function decode({ url, headers }: IncomingMessage, body: Buffer): Push {
  const contentEncoding = headers['content-encoding'];
  const contentType = headers['content-type'];
  const plainBody = contentEncoding === 'gzip' ? gunzipSync(body) : body;
  const { resourceMetrics }: ExportRequest =
    contentType === 'application/json'
      ? JSON.parse(plainBody.toString())
      : requestOfProtobuf(plainBody);
  const metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap((scope) => scope.metrics),
  );
  return {
    path: url,
    headers,
    contentType,
    contentEncoding,
    resource: plain(resourceMetrics[0]?.resource.attributes ?? []),
    metrics: new Map(metrics.map((metric) => [metric.name, metric])),
  };
}

export function plain(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
