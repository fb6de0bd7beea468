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

/** The controller answered that it does not answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** When it would like to be asked again; 0 when it did not say. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
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

  /** Rejects when there was no answer in time, a {@link Refusal}, or one that cannot be read. */
  async ask(
    question: ResolveRequest,
    { signal }: { signal: AbortSignal },
  ): Promise<ResolveResponse> {
    const body = await gzipAsync(JSON.stringify(question));
    const { token, tls } = await this.#credentials.read();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.totalMsMax)]);
    const response = await this.#post(body, { agent: this.#agentWith(tls), token, signal: limit });
    const text = await readText(response);
    if (response.statusCode === 200) return readResolveResponse(text);
    throw new Refusal(
      `answered ${response.statusCode} ${text.slice(0, 500)}`,
      1000 * (Number(response.headers['retry-after']) || 0),
    );
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
      const giveUp = () => request.destroy(new Error(`no connection within ${connectMsMax} ms`));
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

async function readText(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > RESPONSE_BYTES_MAX) throw new Error(`more than ${RESPONSE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (response.headers['content-encoding'] !== 'gzip') return body.toString('utf8');
  return (await gunzipAsync(body, { maxOutputLength: RESPONSE_BYTES_MAX })).toString('utf8');
}
