import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Review } from '../cluster/token-review.ts';
import type { Log } from '../runtime/log.ts';
import { Problem } from './problem.ts';
import { Turns } from './turns.ts';

/** A revoked token is good for this long at most, as long as the API server can be asked. */
const ACCEPTED_MS_MAX = 5 * 60_000;
/** A ServiceAccount may be created a moment after its token is used for the first time. */
const REFUSED_MS = 10_000;
const RETRY_SECONDS = 5;
/** Those that were refused together must not come back together. */
const RETRY_SPREAD_SECONDS = 10;
const TOKENS_MAX = 32_768;
/** At a time: whoever sends invented tokens must not reach the API server with all of them. */
const REVIEWS_MAX = 64;
const TOKEN_CHARACTERS_MAX = 16_384;

/** Who asks. */
export interface Caller {
  readonly username: string;
  /** The node of the pod that the token is bound to, where the token says so. */
  readonly node: string | undefined;
}

export type ReviewResult = 'accepted' | 'refused' | 'failed';

interface Options {
  /** Rejects when the API server cannot be asked. */
  readonly review: (token: string) => Promise<Review>;
  /** `namespace/name` of those that may ask. */
  readonly serviceAccounts: readonly string[];
  readonly reviewed?: (result: ReviewResult) => void;
  readonly log: Log;
  /** Beyond it, the one that was not shown for the longest is forgotten. */
  readonly tokensMax?: number;
  /** How long a token that nobody knows waits for its review. */
  readonly waitMsMax?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

interface Verdict {
  readonly review: Review;
  /** Of the token itself, in ms since the epoch. */
  readonly expiresAtMs: number;
}

/** Knows callers by the tokens of their ServiceAccounts; asks the API server about each only now and then. */
export class Authenticator {
  readonly #options: Required<Omit<Options, 'waitMsMax'>>;
  readonly #turns: Turns;
  readonly #usernames: ReadonlySet<string>;
  readonly #verdicts: LRUCache<string, Verdict, string>;
  #isFailing = false;

  constructor({ waitMsMax, ...options }: Options) {
    this.#turns = new Turns({
      atATimeMax: REVIEWS_MAX,
      ...(waitMsMax !== undefined && { waitMsMax }),
    });
    this.#options = { reviewed: () => {}, tokensMax: TOKENS_MAX, now: Date.now, ...options };
    const { serviceAccounts, tokensMax, now } = this.#options;
    this.#usernames = new Set(
      serviceAccounts.map((name) => `system:serviceaccount:${name.replace('/', ':')}`),
    );
    this.#verdicts = new LRUCache<string, Verdict, string>({
      max: tokensMax,
      perf: { now },
      ttlResolution: 0,
      // When the API server is away, what it said last of a token goes on.
      allowStaleOnFetchRejection: true,
      noDeleteOnFetchRejection: true,
      // One question at a time for each token, however many requests wait for it.
      fetchMethod: async (_digest, stale, { context: token, options: entry }) => {
        // Of whom something is known, that is good enough: no place in the queue.
        const verdict = await this.#ask(token, { mayWait: stale === undefined });
        const leftMs = Math.max(1, verdict.expiresAtMs - now());
        const isAccepted = verdict.review.authenticated;
        entry.ttl = isAccepted ? Math.min(leftMs, ACCEPTED_MS_MAX) : REFUSED_MS;
        return verdict;
      },
    });
  }

  /** `authorization` is the header. Throws a {@link Problem} of status 401, 403 or 503. */
  async authenticate(authorization: string | undefined): Promise<Caller> {
    const token = bearerToken(authorization);
    const { review, expiresAtMs } = await this.#verdictOf(token);
    if (!review.authenticated) throw unauthorized(review.reason);
    if (expiresAtMs <= this.#options.now()) throw unauthorized('the token has expired');
    if (!this.#usernames.has(review.username)) {
      throw new Problem(403, `${review.username} may not ask here`);
    }
    return { username: review.username, node: review.node };
  }

  async #verdictOf(token: string): Promise<Verdict> {
    try {
      // Not the token itself: it would stand in every heap snapshot.
      return await this.#verdicts.forceFetch(hash('sha256', token), { context: token });
    } catch (cause) {
      const seconds = RETRY_SECONDS + Math.floor((1 + RETRY_SPREAD_SECONDS) * Math.random());
      const headers = { 'retry-after': String(seconds) };
      throw new Problem(503, 'The token cannot be reviewed now', { headers, cause });
    }
  }

  /** Rejects with a NoTurn when too many are asked about. */
  async #ask(token: string, how: { readonly mayWait: boolean }): Promise<Verdict> {
    const { review, reviewed, log } = this.#options;
    const end = await this.#turns.take(how);
    try {
      const verdict = { review: await review(token), expiresAtMs: expiryOf(token) };
      reviewed(verdict.review.authenticated ? 'accepted' : 'refused');
      if (this.#isFailing) log.info('Tokens are reviewed again');
      this.#isFailing = false;
      return verdict;
    } catch (err) {
      reviewed('failed');
      // Once: everybody who comes with a new token meets the same.
      if (!this.#isFailing)
        log.error({ err }, 'Cannot review tokens: those known so far stay good');
      this.#isFailing = true;
      throw err;
    } finally {
      end();
    }
  }
}

/** A token that is bound to a node's pod asks for that node only. Throws a {@link Problem}. */
export function requireNode(caller: Caller | undefined, node: string): void {
  if (caller?.node === undefined || caller.node === node) return;
  throw new Problem(403, `The token is of a pod on ${caller.node}, not on ${node}`);
}

function unauthorized(reason: string): Problem {
  // RFC 6750, section 3
  const headers = { 'www-authenticate': 'Bearer error="invalid_token"' };
  return new Problem(401, `The token is not accepted: ${reason}`, { headers });
}

function bearerToken(authorization: string | undefined): string {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization ?? '') ?? [];
  if (token !== undefined && token.length <= TOKEN_CHARACTERS_MAX) return token;
  const headers = { 'www-authenticate': 'Bearer' };
  throw new Problem(401, 'A ServiceAccount token is needed: Authorization: Bearer …', { headers });
}

/** The `exp` claim (RFC 7519); the API server has verified the token before this is used. */
function expiryOf(token: string): number {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    const claims: unknown = JSON.parse(payload);
    if (typeof claims === 'object' && claims !== null && 'exp' in claims) {
      const seconds = Number(claims.exp);
      if (Number.isFinite(seconds)) return seconds * 1000;
    }
  } catch {
    // Not a JWT: static tokens have no end.
  }
  return Number.POSITIVE_INFINITY;
}
