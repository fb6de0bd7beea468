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
import { logsOfProtobuf, requestOfProtobuf } from './otlp-protobuf.ts';

/** OTLP/JSON: 64-bit integers are text, or numbers where they fit. */
export interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number;
    readonly boolValue?: boolean;
    readonly doubleValue?: number;
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

export interface OtlpLogRecord {
  readonly eventName: string;
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: readonly KeyValue[];
}

export interface LogsRequest {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeLogs: readonly { readonly logRecords: readonly OtlpLogRecord[] }[];
  }[];
}

interface LogsPush {
  readonly headers: IncomingMessage['headers'];
  readonly contentType: string | undefined;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly records: readonly OtlpLogRecord[];
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
  const logs: LogsPush[] = [];
  let connections = 0;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    if (request.url === '/v1/logs') logs.push(decodeLogs(request, body));
    else pushes.push(decode(request, body));
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
    /** Of /v1/logs; all other requests are pushes. */
    logs,
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

function unpack({ headers }: IncomingMessage, body: Buffer) {
  const contentEncoding = headers['content-encoding'];
  const contentType = headers['content-type'];
  const plainBody = contentEncoding === 'gzip' ? gunzipSync(body) : body;
  return { contentEncoding, contentType, plainBody };
}

function decodeLogs(request: IncomingMessage, body: Buffer): LogsPush {
  const { contentType, plainBody } = unpack(request, body);
  const { resourceLogs }: LogsRequest =
    contentType === 'application/json'
      ? JSON.parse(plainBody.toString())
      : logsOfProtobuf(plainBody);
  return {
    headers: request.headers,
    contentType,
    resource: plain(resourceLogs[0]?.resource.attributes ?? []),
    records: resourceLogs.flatMap(({ scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords),
    ),
  };
}

function decode(request: IncomingMessage, body: Buffer): Push {
  const { url, headers } = request;
  const { contentEncoding, contentType, plainBody } = unpack(request, body);
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
