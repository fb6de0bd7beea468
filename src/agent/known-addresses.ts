import { isDeepStrictEqual } from 'node:util';
import type { Identity } from '../inventory/identity.ts';
import type { ResolvedEntry, ResolveRequest, ResolveResponse } from '../inventory/wire.ts';

/** The controller remembers for 15 minutes which addresses lost their owner. */
const HAVE_MS_MAX = 10 * 60_000;
/** A pod is known a moment after its first connection; who is unknown for longer may stay so. */
const FIRST_MISS_MS_MAX = 30_000;
const MISS_MS_MAX = 10 * 60_000;
/** A poll that is a little early still asks. */
const POLL_SLACK = 0.9;

/** What the controller said last of an address. */
interface Known {
  identity: Identity | undefined;
  /** Of the answer; '' before the first. */
  epoch: string;
  /** As of which it was said. */
  revision: number;
  answeredAtMs: number;
  /** Not before. */
  askAgainAtMs: number;
  /** Answers in a row that knew no owner. */
  misses: number;
}

export type Question = Required<Pick<ResolveRequest, 'have' | 'want'>> &
  Pick<ResolveRequest, 'epoch' | 'since'>;

interface Options {
  /** Beyond it, the addresses not asked for lately are forgotten first. */
  readonly addressesMax: number;
  /** 0 to 1: spreads the agents of a cluster over time. */
  readonly random: () => number;
}

/** The agent's side of POST /v1/resolve: what it knows, what to ask next, what an answer changes. */
export class KnownAddresses {
  readonly #addressesMax: number;
  readonly #random: () => number;
  /** The address that was not asked for the longest comes first. */
  readonly #known = new Map<string, Known>();
  #epoch = '';

  constructor({ addressesMax, random }: Options) {
    this.#addressesMax = addressesMax;
    this.#random = random;
  }

  identityOf(address: string): Identity | undefined {
    return this.#known.get(address)?.identity;
  }

  /** Makes room for these addresses and returns them; those that are too many are left out. */
  remember(addresses: Iterable<string>): readonly string[] {
    const remembered: string[] = [];
    for (const address of addresses) {
      if (remembered.length === this.#addressesMax) break;
      const known = this.#known.get(address) ?? newlyKnown();
      this.#known.delete(address);
      this.#known.set(address, known);
      remembered.push(address);
    }
    for (const address of this.#known.keys()) {
      if (this.#known.size <= this.#addressesMax) break;
      this.#known.delete(address);
    }
    return remembered;
  }

  isDue(address: string, nowMs: number): boolean {
    const known = this.#known.get(address);
    return known !== undefined && known.askAgainAtMs <= nowMs;
  }

  /** Asks what changed where that can be said, and all else anew. */
  question(addresses: readonly string[], nowMs: number): Question {
    const have: string[] = [];
    const want: string[] = [];
    let since = Infinity;
    for (const address of addresses) {
      const known = this.#known.get(address);
      if (
        known?.identity === undefined ||
        known.epoch !== this.#epoch ||
        nowMs - known.answeredAtMs > HAVE_MS_MAX
      ) {
        want.push(address);
      } else {
        have.push(address);
        since = Math.min(since, known.revision);
      }
    }
    return { have, want, ...(have.length > 0 && { epoch: this.#epoch, since }) };
  }

  take({ have, want }: Question, response: ResolveResponse, nowMs: number): void {
    const { epoch, entries, reset } = response;
    const gone = new Set(response.gone);
    this.#epoch = epoch;
    for (const address of want) {
      this.#learn(address, identityOf(entries[address]), response, nowMs);
    }
    for (const address of have) {
      const isSame = !reset && !gone.has(address);
      const kept = isSame ? this.identityOf(address) : undefined;
      this.#learn(address, identityOf(entries[address]) ?? kept, response, nowMs);
    }
  }

  #learn(
    address: string,
    identity: Identity | undefined,
    { epoch, rev, nextPollMs }: ResolveResponse,
    nowMs: number,
  ): void {
    const known = this.#known.get(address);
    // Forgotten while the question was on its way.
    if (known === undefined) return;
    if (!isDeepStrictEqual(known.identity, identity)) known.identity = identity;
    known.misses = identity === undefined ? known.misses + 1 : 0;
    const waitMs =
      identity === undefined ? this.#missMs(known.misses, nextPollMs) : POLL_SLACK * nextPollMs;
    Object.assign(known, {
      epoch,
      revision: rev,
      answeredAtMs: nowMs,
      askAgainAtMs: nowMs + waitMs,
    });
  }

  /** Between half of the interval and all of it, so that a poll of the same interval finds it over. */
  #missMs(misses: number, nextPollMs: number): number {
    const firstMs = Math.min(nextPollMs, FIRST_MISS_MS_MAX);
    const intervalMs = Math.min(firstMs * 2 ** (misses - 1), MISS_MS_MAX);
    return intervalMs * (0.5 + this.#random() / 2);
  }
}

/** Without what was said of the owners before. */
function identityOf(entry: ResolvedEntry | undefined): Identity | undefined {
  if (entry === undefined) return undefined;
  const { sinceMs: _sinceMs, previous: _previous, ...identity } = entry;
  return identity;
}

function newlyKnown(): Known {
  return {
    identity: undefined,
    epoch: '',
    revision: 0,
    answeredAtMs: 0,
    askAgainAtMs: 0,
    misses: 0,
  };
}
