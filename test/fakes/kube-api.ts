import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Test } from 'tap';
import { listenOnLoopback } from './loopback.ts';

/** A line of a watch. */
interface Event {
  readonly type: string;
  readonly object: object;
}

export const added = (object: object): Event => ({ type: 'ADDED', object });
export const modified = (object: object): Event => ({ type: 'MODIFIED', object });
export const deleted = (object: object): Event => ({ type: 'DELETED', object });
export const bookmark = (resourceVersion: string): Event => ({
  type: 'BOOKMARK',
  object: { metadata: { resourceVersion } },
});
/** Ends the initial events of a watch-list. */
export const listEnd = (resourceVersion: string): Event => ({
  type: 'BOOKMARK',
  object: {
    metadata: { resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } },
  },
});
export const failure = (code: number): Event => ({ type: 'ERROR', object: statusObject(code) });

function statusObject(code: number): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, code, message: `told to say ${code}` };
}

/** A request that waits for what the test answers. */
export class Call {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost');
    this.method = request.method ?? '';
    this.path = pathname;
    this.query = Object.fromEntries(searchParams);
    this.headers = request.headers;
    this.#request = request;
    this.#response = response;
  }

  /** What was posted. */
  async body(): Promise<unknown> {
    return json(this.#request);
  }

  json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, { 'content-type': 'application/json', ...headers });
    this.#response.end(JSON.stringify(body));
  }

  /** A Status object. */
  refuse(status: number, headers: Readonly<Record<string, string>> = {}): void {
    this.json(status, statusObject(status), headers);
  }

  /** `next` is the token of the page that follows. */
  page(resourceVersion: string, items: readonly object[], next?: string): void {
    this.json(200, { metadata: { resourceVersion, continue: next ?? '' }, items });
  }

  send(...events: readonly Event[]): void {
    this.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  /** The body follows. */
  writeHead(status: number): void {
    this.#response.writeHead(status);
  }

  /** Part of a body that goes on; with '' its head alone. */
  write(text: string): void {
    if (!this.#response.headersSent) this.writeHead(200);
    this.#response.flushHeaders();
    if (text !== '') this.#response.write(text);
  }

  end(): void {
    this.#response.end();
  }

  /** Half a line may be on its way. */
  reset(): void {
    this.#request.socket.resetAndDestroy();
  }

  /** Resolves when the client has cut it off. */
  async gone(): Promise<void> {
    if (!this.#response.destroyed) await once(this.#response, 'close');
  }
}

/**
 * An API server whose mind is the test: each request waits until the test answers it. For what the
 * real one cannot be made to do.
 */
export class KubeApi {
  readonly #server: Server;
  readonly #calls: Call[] = [];
  readonly #sockets = new Set<Socket>();
  #waiting: ((call: Call) => void) | undefined;
  #connections = 0;
  #port = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const call = new Call(request, response);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#calls.push(call);
      else waiting(call);
    });
  }

  /** In clear text on loopback until the test ends, unless another server is given. */
  static async listen(t: Test, server: Server = createServer()): Promise<KubeApi> {
    const api = new KubeApi(server);
    api.#port = await listenOnLoopback(t, server);
    t.teardown(() => api.#sockets.forEach((socket) => socket.destroy()));
    return api;
  }

  /** `127.0.0.1:port` */
  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** How many there have been. */
  get connections(): number {
    return this.#connections;
  }

  /** The next request that nobody has seen yet. */
  async next(): Promise<Call> {
    const call = this.#calls.shift();
    if (call !== undefined) return call;
    const { promise, resolve } = Promise.withResolvers<Call>();
    this.#waiting = resolve;
    return promise;
  }

  /** Requests that nobody has seen yet. */
  get unseen(): number {
    return this.#calls.length;
  }

  /** Resolves when no connection is open, however they end. */
  async idle(): Promise<void> {
    const open = [...this.#sockets].filter(({ destroyed }) => !destroyed);
    await Promise.all(
      open.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
    );
  }

  /** As when its process ends; returns once nothing listens there any more. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#sockets.forEach((socket) => socket.resetAndDestroy());
    await closed;
  }

  /** Where it was before. */
  async start(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }
}
