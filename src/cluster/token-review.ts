import type { ApiConnection } from './api-connection.ts';
import type { ClusterClient } from './cluster-client.ts';

const PATH = '/apis/authentication.k8s.io/v1/tokenreviews';
/** A connection keeps the credentials it began with; those of a pod are good for an hour. */
const CONNECTION_MS_MAX = 60_000;
const REVIEW_MS_MAX = 5000;
/** https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#service-account-token-claims */
const NODE_NAME = 'authentication.kubernetes.io/node-name';

/** What the API server says of a token. */
export type Review =
  | {
      readonly authenticated: true;
      readonly username: string;
      /** The node of the pod to which the token is bound, where the API server tells it. */
      readonly node: string | undefined;
    }
  | { readonly authenticated: false; readonly reason: string };

interface Options {
  readonly client: ClusterClient;
  readonly audience: string;
  /** Milliseconds on a clock that never steps back. */
  readonly now?: () => number;
}

/** Asks the API server whose token it is, over a connection that is kept for a while. */
export class TokenReviewer implements AsyncDisposable {
  readonly #client: ClusterClient;
  readonly #audience: string;
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #connection: Promise<ApiConnection> | undefined;
  #connectedAtMs = 0;

  constructor({ client, audience, now = () => performance.now() }: Options) {
    this.#client = client;
    this.#audience = audience;
    this.#now = now;
  }

  /** Rejects when the API server cannot be asked. */
  async review(token: string): Promise<Review> {
    const closing = this.#closing.signal;
    closing.throwIfAborted();
    const connection = await this.#connect();
    const spec = { token, audiences: [this.#audience] };
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec };
    const signal = AbortSignal.any([closing, AbortSignal.timeout(REVIEW_MS_MAX)]);
    return this.#read(await connection.postJson(PATH, review, { signal }));
  }

  /** Reviews that are still on their way reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await dispose(this.#connection);
  }

  #connect(): Promise<ApiConnection> {
    const nowMs = this.#now();
    const outdated = this.#connection;
    if (outdated !== undefined && nowMs - this.#connectedAtMs <= CONNECTION_MS_MAX) return outdated;
    const connection = this.#client.connect({ signal: this.#closing.signal });
    this.#connection = connection;
    this.#connectedAtMs = nowMs;
    connection.catch(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    // Reviews that are still on their way over the old one get their time.
    setTimeout(() => void dispose(outdated), REVIEW_MS_MAX).unref();
    return connection;
  }

  #read(answer: unknown): Review {
    const { authenticated, error, user, audiences } = statusOf(answer);
    if (authenticated !== true) {
      return { authenticated: false, reason: error ?? 'the API server does not know the token' };
    }
    // A server that is not aware of audiences says none (TokenReviewStatus, authentication/v1).
    if (audiences?.includes(this.#audience) !== true) {
      return { authenticated: false, reason: `the token is not for ${this.#audience}` };
    }
    return {
      authenticated: true,
      username: user?.username ?? '',
      node: user?.extra?.[NODE_NAME]?.[0],
    };
  }
}

/** Of one that failed there is nothing to dispose of; who asked over it has been told why. */
async function dispose(connection: Promise<ApiConnection> | undefined): Promise<void> {
  await (await connection?.catch(() => undefined))?.[Symbol.asyncDispose]();
}

interface TokenReviewStatus {
  readonly authenticated?: boolean;
  readonly error?: string;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username?: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
}

function statusOf(answer: unknown): TokenReviewStatus {
  const status = typeof answer === 'object' && answer !== null && 'status' in answer;
  return (status ? answer.status : undefined) ?? {};
}
