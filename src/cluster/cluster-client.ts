import { HttpMethod, KubeConfig, RequestContext } from '@kubernetes/client-node';
import { request, type Dispatcher } from 'undici';
import { EXIT_USAGE, Failure } from '../runtime/failure.ts';

/** Until the head of an answer is there. */
const HEADERS_MS_MAX = 30_000;
/** Between two parts of a body; an idle watch gets a bookmark about every minute. */
const SILENCE_MS_MAX = 150_000;
/** Of a message that says why a request was refused. */
const REFUSAL_CHARACTERS_MAX = 2000;

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

type Query = Readonly<Record<string, string>>;

interface RequestOptions {
  readonly signal: AbortSignal;
}

/** Where the API server is and who asks, from a kubeconfig file or from inside of a pod. */
export class ClusterClient {
  readonly #config: KubeConfig;
  readonly #server: string;

  private constructor(config: KubeConfig, server: string) {
    this.#config = config;
    this.#server = server;
  }

  /** Throws a {@link Failure} that says where a configuration was looked for when there is none. */
  static load({
    kubeconfig,
    context,
  }: {
    readonly kubeconfig?: string | undefined;
    readonly context?: string | undefined;
  }): ClusterClient {
    const config = new KubeConfig();
    const origin = kubeconfig === undefined ? 'of this pod' : `in ${kubeconfig}`;
    const refuse = (reason: string, cause?: unknown): Failure =>
      new Failure(`Cannot use the Kubernetes configuration ${origin}: ${reason}`, {
        exitCode: EXIT_USAGE,
        cause,
      });
    if (kubeconfig === undefined && process.env['KUBERNETES_SERVICE_HOST'] === undefined) {
      const message =
        'Cannot find the Kubernetes API server: --kubeconfig is not given, and this is no pod ' +
        '(KUBERNETES_SERVICE_HOST is not set)';
      throw new Failure(message, { exitCode: EXIT_USAGE });
    }
    try {
      if (kubeconfig === undefined) config.loadFromCluster();
      else config.loadFromFile(kubeconfig);
    } catch (cause) {
      throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
    }
    if (context !== undefined) {
      if (config.getContextObject(context) === null) {
        const known = config.getContexts().map(({ name }) => name);
        throw refuse(`it has no context ${context}, only ${known.join(', ') || 'none'}`);
      }
      config.setCurrentContext(context);
    }
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw refuse('its current context names no cluster');
    return new ClusterClient(config, cluster.server.replace(/\/+$/, ''));
  }

  /** The API server's URL. */
  get server(): string {
    return this.#server;
  }

  /**
   * A connection with the credentials of this moment: a token file is read again, an exec plugin
   * asked again when its credential has expired. The library makes one pool of TLS connections a
   * call, so whoever asks more than once keeps what this returns.
   */
  async connect(): Promise<ApiConnection> {
    const context = new RequestContext(this.#server, HttpMethod.GET);
    await this.#config.applySecurityAuthentication(context);
    return new ApiConnection(this.#server, context.getHeaders(), context.getDispatcher());
  }
}

export class ApiConnection implements AsyncDisposable {
  readonly #server: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #dispatcher: Dispatcher | undefined;

  constructor(
    server: string,
    headers: Readonly<Record<string, string>>,
    dispatcher: Dispatcher | undefined,
  ) {
    this.#server = server;
    this.#headers = headers;
    this.#dispatcher = dispatcher;
  }

  /** The body of a 200; it ends with an error when the server falls silent. Throws an {@link ApiError}. */
  async stream(
    path: string,
    query: Query,
    { signal }: RequestOptions,
  ): Promise<AsyncIterable<Buffer>> {
    const url = `${path}?${new URLSearchParams(query).toString()}`;
    return this.#request(url, { method: 'GET', signal });
  }

  /** Throws an {@link ApiError}. */
  async getJson(path: string, query: Query, { signal }: RequestOptions): Promise<unknown> {
    const url = `${path}?${new URLSearchParams(query).toString()}`;
    return (await this.#request(url, { method: 'GET', signal })).json();
  }

  /** Throws an {@link ApiError}. */
  async postJson(path: string, body: unknown, { signal }: RequestOptions): Promise<unknown> {
    const text = JSON.stringify(body);
    return (await this.#request(path, { method: 'POST', body: text, signal })).json();
  }

  async #request(
    path: string,
    options: Pick<Dispatcher.RequestOptions, 'method' | 'body'> & RequestOptions,
  ): Promise<Dispatcher.ResponseData['body']> {
    const { body: text, ...rest } = options;
    const { statusCode, headers, body } = await request(`${this.#server}${path}`, {
      ...rest,
      ...(typeof text === 'string' && { body: text }),
      headers: {
        ...this.#headers,
        accept: 'application/json',
        ...(text !== undefined && { 'content-type': 'application/json' }),
      },
      ...(this.#dispatcher !== undefined && { dispatcher: this.#dispatcher }),
      headersTimeout: HEADERS_MS_MAX,
      bodyTimeout: SILENCE_MS_MAX,
    });
    if (statusCode >= 200 && statusCode < 300) return body;
    const refusal = messageOf(await body.text());
    throw new ApiError(`${options.method} ${path.split('?')[0]}: ${statusCode} ${refusal}`, {
      status: statusCode,
      retryAfterMs: retryAfterMs(headers['retry-after']),
    });
  }

  /** What is still on its way is cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher?.destroy();
  }
}

/** The message of a Status object, or the text itself. */
function messageOf(text: string): string {
  try {
    const status: unknown = JSON.parse(text);
    if (typeof status === 'object' && status !== null && 'message' in status) {
      return String(status.message).slice(0, REFUSAL_CHARACTERS_MAX);
    }
  } catch {
    // A proxy before the API server answers with something else.
  }
  return text.slice(0, REFUSAL_CHARACTERS_MAX).trim();
}

/** In seconds; the API server sends no dates. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = Number(header);
  return Number.isFinite(seconds) && header !== undefined ? seconds * 1000 : undefined;
}
