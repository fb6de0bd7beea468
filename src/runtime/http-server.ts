import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EXIT_FAILURE, Failure } from './failure.ts';
import type { Log } from './log.ts';
import type { Setting } from './settings.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** Handlers of GET and HEAD by path, such as '/metrics'. */
export type Routes = Readonly<Record<string, Handler>>;

interface ListenAddress {
  /** IPv4 or IPv6 address (without brackets) or host name. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

const CONNECTIONS_MAX = 256;
const HEADER_BYTES_MAX = 8192;
const HEADERS_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node looks for the two timeouts above. */
const TIMEOUT_CHECK_MS = 1000;
const KEEP_ALIVE_MS = 5000;
/** A socket on which nothing moves, such as that of a reader who has stopped reading. */
const IDLE_SOCKET_MS = 30_000;
const CLOSE_MS = 500;

/** The few pages of a daemon: GET and HEAD only, no bodies in, a limit on everything. */
class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  #closed: Promise<void> | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('Cannot tell the port: the server does not listen');
    }
    return address.port;
  }

  /** Idle connections end at once, running requests have half a second. */
  [Symbol.asyncDispose](): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    const deadline = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS);
    await closed;
    clearTimeout(deadline);
  }
}

/** Resolves when it listens. Throws a {@link Failure} when it cannot. */
export async function startHttpServer({
  listen,
  routes,
  log,
}: {
  readonly listen: ListenAddress;
  readonly routes: Routes;
  readonly log: Log;
}): Promise<HttpServer> {
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.timeout = IDLE_SOCKET_MS;
  server.on('request', (request, response) => void answer({ routes, log }, request, response));
  try {
    server.listen(listen.port, listen.host);
    await once(server, 'listening');
  } catch (error) {
    throw new Failure(`Cannot listen on ${addressText(listen)}: ${reason(error)}`, {
      exitCode: EXIT_FAILURE,
      cause: error,
    });
  }
  server.on('error', (error) => log.error({ err: error }, 'Cannot accept a connection'));
  return new HttpServer(server);
}

async function answer(
  { routes, log }: { readonly routes: Routes; readonly log: Log },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '' } = request;
  const [path = ''] = url.split('?', 1);
  const handler = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (handler === undefined) return sendText(response, 404, 'Not found');
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return sendText(response, 405, 'Method not allowed');
  }
  try {
    await handler(request, response);
  } catch (error) {
    log.error({ err: error }, `Cannot answer ${method} ${path}: its handler failed`);
    if (response.headersSent) return void response.destroy();
    // Those of the page that failed, such as its encoding, do not describe this answer.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    sendText(response, 500, 'Internal server error');
  }
}

export function sendText(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ('code' in error ? error.code : undefined) {
    case 'EADDRINUSE':
      return 'the port is already in use (is another agent running on this node?)';
    case 'EACCES':
      return 'no permission (a port below 1024 needs the capability NET_BIND_SERVICE)';
    case 'EADDRNOTAVAIL':
      return 'no interface of this host has this address';
    case 'EAFNOSUPPORT':
      return 'this host does not have this address family (0.0.0.0 is all of IPv4)';
    default:
      return error.message;
  }
}

function addressText({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** 'host:port' or '[::1]:port'; ':port' is every address of the host, IPv6 and IPv4. */
export function listenAddress(options: {
  readonly default: string;
  readonly description: string;
}): Setting<ListenAddress> {
  return {
    type: 'host:port',
    default: parseListenAddress(options.default),
    defaultText: options.default,
    description: options.description,
    parse: parseListenAddress,
  };
}

function parseListenAddress(input: string): ListenAddress {
  const match = /^(?:\[(?<v6>[^[\]]+)\]|(?<name>[^:[\]\s]*)):(?<port>\d{1,5})$/.exec(input)?.groups;
  if (match === undefined) throw new Error('not host:port, [address]:port or :port');
  const port = Number(match['port']);
  if (port > 65_535) throw new Error('port outside of 0 to 65535');
  return { host: match['v6'] ?? (match['name'] || '::'), port };
}
