import { setImmediate as nextTurn } from 'node:timers/promises';
import { request, type Dispatcher } from 'undici';

/** Of the message that says why a request was refused. */
const REFUSAL_BYTES_MAX = 16 * 1024;
/** Of an answer that is read as a whole: a page of 500 usual pods has 5 MB. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** The API server answered, but not with what was asked for. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status, or the code of a Status object in a watch. */
  readonly status: number;
  /** How long the server wants to be left alone; undefined when it did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { status: number; retryAfterMs?: number | undefined }) {
    super(message);
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface ConnectionLimits {
  /** Until the head of an answer is there. */
  readonly headersMsMax: number;
  /** Between two parts of a body. */
  readonly silenceMsMax: number;
}

interface ConnectionOptions extends ConnectionLimits {
  /** The API server's URL. */
  readonly server: string;
  /** With the credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** Closed with this. */
  readonly dispatcher: Dispatcher;
}

type Query = Readonly<Record<string, string>>;

interface RequestOptions {
  readonly signal: AbortSignal;
}

/** Requests to the API server with the same credentials, over one connection when one follows another. */
export class ApiConnection implements AsyncDisposable {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The body of a 200; it ends with an error when the server falls silent. Throws an {@link ApiError}. */
  async stream(
    path: string,
    query: Query,
    { signal }: RequestOptions,
  ): Promise<AsyncIterable<Buffer>> {
    return this.#request('GET', withQuery(path, query), { signal });
  }

  /** Throws an {@link ApiError}. */
  async getJson(path: string, query: Query, { signal }: RequestOptions): Promise<unknown> {
    return readJson(await this.#request('GET', withQuery(path, query), { signal }));
  }

  /** Throws an {@link ApiError}. */
  async postJson(path: string, content: unknown, { signal }: RequestOptions): Promise<unknown> {
    const body = JSON.stringify(content);
    return readJson(await this.#request('POST', path, { signal, body }));
  }

  /** What is still on its way is cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.dispatcher.destroy();
  }

  async #request(
    method: 'GET' | 'POST',
    path: string,
    content: RequestOptions & { readonly body?: string },
  ): Promise<Dispatcher.ResponseData['body']> {
    const { server, headers: credentials, dispatcher, headersMsMax, silenceMsMax } = this.#options;
    const { statusCode, headers, body } = await request(`${server}${path}`, {
      ...content,
      method,
      dispatcher,
      headers: {
        ...credentials,
        accept: 'application/json',
        'user-agent': 'khan-controller',
        ...(content.body !== undefined && { 'content-type': 'application/json' }),
      },
      headersTimeout: headersMsMax,
      bodyTimeout: silenceMsMax,
    });
    if (statusCode >= 200 && statusCode < 300) return body;
    const refusal = messageOf(await readText(body, REFUSAL_BYTES_MAX));
    throw new ApiError(`${method} ${path.split('?')[0]}: ${statusCode} ${refusal}`, {
      status: statusCode,
      retryAfterMs: retryAfterMs(headers['retry-after']),
    });
  }
}

function withQuery(path: string, query: Query): string {
  return `${path}?${new URLSearchParams(query).toString()}`;
}

async function readJson(body: AsyncIterable<Buffer>): Promise<unknown> {
  return JSON.parse(await readText(body, ANSWER_BYTES_MAX));
}

async function readText(body: AsyncIterable<Buffer>, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) {
      throw new Error(
        `Cannot read an answer of the API server: it has more than ${bytesMax} bytes`,
      );
    }
  }
  // undici sends nothing more over a connection of HTTP/1.1 in this turn of the event loop, but opens
  // another.
  await nextTurn();
  return Buffer.concat(chunks).toString('utf8');
}

/** The message of a Status object, or the text itself. */
function messageOf(text: string): string {
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === 'object' && status !== null && 'message' in status) {
      return String(status.message);
    }
  } catch {
    // A proxy before the API server answers with something else.
  }
  return text.trim();
}

/** In seconds; the API server sends no dates. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header);
  return Number.isFinite(seconds) && header !== undefined ? seconds * 1000 : undefined;
}
