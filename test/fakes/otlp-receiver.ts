import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Test } from 'tap';
import { listenOnLoopback } from './loopback.ts';

/** OTLP/JSON: 64-bit integers are text, or numbers where they fit. */
interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number;
    readonly boolValue?: boolean;
  };
}

interface NumberPoint {
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

interface ExportRequest {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly OtlpMetric[] }[];
  }[];
}

interface Push {
  readonly path: string | undefined;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly metrics: ReadonlyMap<string, OtlpMetric>;
}

/** A collector on loopback that keeps what it is sent. */
export async function otlpReceiver(
  t: Test,
): Promise<{ readonly endpoint: string; readonly pushes: readonly Push[] }> {
  const pushes: Push[] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    pushes.push(decode(request, await buffer(request)));
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  };
  const server = createServer((request, response) => void receive(request, response));
  const port = await listenOnLoopback(t, server);
  t.teardown(() => server.closeAllConnections());
  return { endpoint: `http://127.0.0.1:${port}`, pushes };
}

function decode({ url, headers }: IncomingMessage, body: Buffer): Push {
  const contentEncoding = headers['content-encoding'];
  const json = contentEncoding === 'gzip' ? gunzipSync(body) : body;
  const { resourceMetrics }: ExportRequest = JSON.parse(json.toString());
  const metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap((scope) => scope.metrics),
  );
  return {
    path: url,
    contentType: headers['content-type'],
    contentEncoding,
    resource: plain(resourceMetrics[0]?.resource.attributes ?? []),
    metrics: new Map(metrics.map((metric) => [metric.name, metric])),
  };
}

export function plain(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
