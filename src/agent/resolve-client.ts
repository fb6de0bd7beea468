import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import {
  readResolveResponse,
  RESOLVE_PATH,
  type ResolveRequest,
  type ResolveResponse,
} from '../inventory/wire.ts';
import { EXIT_USAGE, Failure } from '../runtime/failure.ts';
import type { UnansweredReason } from '../telemetry/mapping-metrics.ts';
import { Credentials, type CredentialFiles, type TlsContent } from './credentials.ts';

/** Some 250 bytes for each of 4,096 addresses are 1 MiB. */
const RESPONSE_BYTES_MAX = 8 * 1024 * 1024;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

interface Options {
  readonly credentials?: CredentialFiles | undefined;
  readonly connectMsMax?: number;
  /** From the first look for an address to the last byte of the answer. */
  readonly totalMsMax?: number;
}

interface UnansweredOptions {
  readonly reason: UnansweredReason;
  readonly retryAfterMs?: number;
  readonly addressesMax?: number | undefined;
  readonly cause?: unknown;
}

/** A question has no answer. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
  readonly reason: UnansweredReason;
  /** When the controller would like to be asked again; 0 when it did not say. */
  readonly retryAfterMs: number;
  /** The question had too many addresses: how many may be asked for instead. */
  readonly addressesMax: number | undefined;

  constructor(
    message: string,
    { reason, retryAfterMs = 0, addressesMax, cause }: UnansweredOptions,
  ) {
    super(message, { cause });
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.addressesMax = addressesMax;
  }
}

/**
 * POST /v1/resolve over one connection that is kept. On node:http, because the built-in fetch() has
 * no timeout for connecting and costs the agent 13 MiB of memory on every node.
 */
export class ResolveClient implements Disposable {
  readonly #url: URL;
  readonly #credentials: Credentials;
  readonly #limits: Readonly<Record<'connectMsMax' | 'totalMsMax', number>>;
  #agent: http.Agent | undefined;
  #tls: TlsContent | undefined;

  constructor(
    controllerUrl: string,
    { credentials = {}, connectMsMax = 3000, totalMsMax = 10_000 }: Options = {},
  ) {
    if (!URL.canParse(controllerUrl) || !/^https?:/i.test(controllerUrl)) {
      const message = `Cannot ask the controller at ${controllerUrl}: not an http or https URL`;
      throw new Failure(message, { exitCode: EXIT_USAGE });
    }
    this.#url = new URL(RESOLVE_PATH, controllerUrl);
    this.#credentials = new Credentials(credentials);
    this.#limits = { connectMsMax, totalMsMax };
  }

  /** Rejects with {@link Unanswered}, or with the reason of the signal. */
  async ask(
    question: ResolveRequest,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<ResolveResponse> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.totalMsMax)]);
    let reason: UnansweredReason = 'credentials';
    try {
      const { token, tls } = await this.#credentials.read();
      reason = 'connection';
      const body = await gzipAsync(JSON.stringify(question));
      const response = await this.#post(body, {
        agent: this.#agentWith(tls),
        token,
        signal: limit,
      });
      const content = await readContent(response);
      reason = 'malformed';
      const text = await textOf(content, response.headers['content-encoding']);
      if (response.statusCode !== 200) throw refusalOf(question, response, text);
      return readResolveResponse(text);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof Unanswered) throw cause;
      if (limit.aborted || isTimeout(cause)) reason = 'timeout';
      throw new Unanswered('Cannot ask the controller', { reason, cause });
    }
  }

  /** Keeps one connection, until what it was made with changes. */
  #agentWith(tls: TlsContent): http.Agent {
    if (this.#agent !== undefined && this.#tls === tls) return this.#agent;
    this.#agent?.destroy();
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent =
      this.#url.protocol === 'https:'
        ? new https.Agent({ ...options, ...tls })
        : new http.Agent(options);
    this.#tls = tls;
    return this.#agent;
  }

  async #post(
    body: Buffer,
    {
      agent,
      token,
      signal,
    }: {
      readonly agent: http.Agent;
      readonly token: string | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<http.IncomingMessage> {
    const { request: send } = this.#url.protocol === 'https:' ? https : http;
    const request = send(this.#url, {
      method: 'POST',
      agent,
      signal,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'content-length': body.length,
        'accept-encoding': 'gzip',
      },
    });
    request.once('socket', (socket) => {
      if (!socket.connecting) return;
      const { connectMsMax } = this.#limits;
      const giveUp = () => request.destroy(noConnection(connectMsMax));
      const timer = setTimeout(giveUp, connectMsMax);
      socket.once('connect', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
    });
    request.end(body);
    // once() hears the errors before the response, the reader of the response those after it.
    request.on('error', () => {});
    const [response] = await once(request, 'response');
    return response;
  }

  [Symbol.dispose](): void {
    this.#agent?.destroy();
  }
}

/** As the kernel calls it, which may take minutes. */
function noConnection(withinMs: number): Error {
  return Object.assign(new Error(`no connection within ${withinMs} ms`), { code: 'ETIMEDOUT' });
}

async function readContent(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > RESPONSE_BYTES_MAX) {
      const message = `Cannot read the answer of the controller: more than ${RESPONSE_BYTES_MAX} bytes`;
      throw new Unanswered(message, { reason: 'malformed' });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function textOf(content: Buffer, encoding: string | undefined): Promise<string> {
  if (encoding !== 'gzip') return content.toString('utf8');
  return (await gunzipAsync(content, { maxOutputLength: RESPONSE_BYTES_MAX })).toString('utf8');
}

function refusalOf(
  { have = [], want = [] }: ResolveRequest,
  { statusCode: status = 0, headers }: http.IncomingMessage,
  text: string,
): Unanswered {
  return new Unanswered(`Cannot ask the controller: answered ${status} ${text.slice(0, 500)}`, {
    reason: reasonOf(status),
    retryAfterMs: 1000 * (Number(headers['retry-after']) || 0),
    addressesMax: status === 413 ? fewerThan(have.length + want.length, text) : undefined,
  });
}

function reasonOf(status: number): UnansweredReason {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 429) return 'busy';
  return status >= 500 ? 'unavailable' : 'refused';
}

/** As the controller says; half of them where it was the bytes, or somebody in between. */
function fewerThan(asked: number, text: string): number | undefined {
  const told = Number(/"addressesMax":\s*(?<count>[1-9]\d*)/.exec(text)?.groups?.['count']);
  return (told < asked ? told : Math.floor(asked / 2)) || undefined;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ETIMEDOUT';
}
