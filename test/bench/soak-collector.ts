import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { plain, type LogsRequest } from '../fakes/otlp-receiver.ts';

export interface PushedSums {
  readonly opened: number;
  readonly closed: number;
  /** Of the last collection that came. */
  readonly active: number;
  readonly requests: number;
  /** Requests that got no answer. */
  readonly refused: number;
  /** The most requests that waited for an answer at the same time. */
  readonly waitingMax: number;
  /** Of leaks that began. */
  readonly events: number;
}

interface Metric {
  readonly name: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
}

interface Point {
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly timeUnixNano: string;
}

interface Body {
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

/** Takes OTLP over JSON with delta temporality, and adds up what it has answered for. */
export class SoakCollector implements AsyncDisposable {
  /** While it is not, a request gets no answer and does not count. */
  isWell = true;
  #sums = { opened: 0, closed: 0, requests: 0, refused: 0, waitingMax: 0, events: 0 };
  #waiting = 0;
  #active = { time: '', value: 0 };
  readonly #answerMs: number;
  readonly #server = createServer((request, response) => void this.#take(request, response));

  private constructor(answerMs: number) {
    this.#answerMs = answerMs;
  }

  /** It takes so long for each request. */
  static async create({ answerMs = 0 } = {}): Promise<SoakCollector> {
    const collector = new SoakCollector(answerMs);
    collector.#server.listen(0, '127.0.0.1');
    await once(collector.#server, 'listening');
    return collector;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port to listen on');
    return `http://127.0.0.1:${address.port}`;
  }

  get sums(): PushedSums {
    return { ...this.#sums, active: this.#active.value };
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#sums.waitingMax = Math.max(this.#sums.waitingMax, ++this.#waiting);
    response.once('close', () => this.#waiting--);
    const bytes = await buffer(request).catch(() => undefined);
    if (bytes === undefined) return;
    this.#sums.requests++;
    await delay(this.#answerMs);
    // Whoever has given it up sends it again.
    if (!this.isWell || response.destroyed) {
      this.#sums.refused++;
      return;
    }
    const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
    if (request.url === '/v1/metrics') this.#add(JSON.parse(text.toString()));
    else this.#sums.events += leaksIn(JSON.parse(text.toString()));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  }

  #add({ resourceMetrics = [] }: Body): void {
    const metrics = resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap((scope) => scope.metrics),
    );
    for (const { name, sum } of metrics) {
      const points = sum?.dataPoints ?? [];
      if (name === 'khan_connection') this.#sums.opened += total(points);
      else if (name === 'khan_connection_closed') this.#sums.closed += total(points);
      else if (name === 'khan_connection_active') {
        const time = points[0]?.timeUnixNano ?? '';
        // The batches of one collection have one time.
        if (time !== this.#active.time) this.#active = { time, value: 0 };
        this.#active.value += total(points);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function leaksIn({ resourceLogs }: LogsRequest): number {
  return resourceLogs
    .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
    .filter(({ attributes }) => plain(attributes)['leak_state'] === 'began').length;
}

function total(points: readonly Point[]): number {
  return points.reduce((sum, { asInt, asDouble }) => sum + Number(asInt ?? asDouble ?? 0), 0);
}
