import { isDeepStrictEqual } from 'node:util';
import type { Identity, Takeover } from '../inventory/identity.ts';
import type { ResolvedEntry, ResolveRequest, ResolveResponse } from '../inventory/wire.ts';

/** The controller remembers for 15 minutes which addresses lost their owner. */
const HAVE_MS_MAX = 10 * 60_000;
/** A pod is known a moment after its first connection; who is unknown for longer may stay so. */
const FIRST_MISS_MS_MAX = 30_000;
const MISS_MS_MAX = 10 * 60_000;
/** A poll that is a little early still asks. */
const POLL_SLACK = 0.9;
/** Without an answer for so long, who had a pod's address then may not have it now. */
export const POD_MS_MAX = 3_600_000;
/** Whatever a controller would like: what is asked for less often can no longer be asked as had. */
const POLL_MS_MAX = HAVE_MS_MAX;

interface Answer {
  readonly epoch: string;
  /** As of which it was said. */
  readonly revision: number;
  readonly takenAtMs: number;
  readonly nextPollMs: number;
}

/** What the controller said last of an address. */
interface Known {
  identity: Identity | undefined;
  takeover: Takeover | undefined;
  /** The owner is a pod that was deleted or has ended. */
  hasEnded: boolean;
  /** The remember() that named the address last. */
  rememberedIn: number;
  answer: Answer | undefined;
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
  #remembers = 0;
  #askAgainAtMs = 0;

  constructor({ addressesMax, random }: Options) {
    this.#addressesMax = addressesMax;
    this.#random = random;
  }

  identityOf(address: string): Identity | undefined {
    return this.#known.get(address)?.identity;
  }

  hasEnded(address: string): boolean {
    return this.#known.get(address)?.hasEnded ?? false;
  }

  /** Of the addresses that had another owner before. */
  *takeovers(): Iterable<readonly [string, Takeover]> {
    for (const [address, { takeover }] of this.#known) {
      if (takeover?.previous !== undefined) yield [address, takeover];
    }
  }

  /**
   * Makes room for these addresses and returns them; those that are too many are left out. An owner
   * that has ended is known for the connections it left: without any, it is forgotten.
   */
  remember(addresses: Iterable<string>): readonly string[] {
    const remembered: string[] = [];
    this.#remembers++;
    for (const address of addresses) {
      if (remembered.length === this.#addressesMax) break;
      const known = this.#known.get(address) ?? newlyKnown();
      known.rememberedIn = this.#remembers;
      this.#known.delete(address);
      this.#known.set(address, known);
      remembered.push(address);
    }
    for (const [address, { rememberedIn, hasEnded }] of this.#known) {
      if (rememberedIn === this.#remembers) break;
      if (hasEnded) this.#known.delete(address);
    }
    for (const address of this.#known.keys()) {
      if (this.#known.size <= this.#addressesMax) break;
      this.#known.delete(address);
    }
    return remembered;
  }

  /** As if it had been told, but by a controller that is not known any more. */
  restore(owners: Iterable<readonly [address: string, Identity]>): void {
    for (const [address, identity] of owners) {
      if (this.#known.size === this.#addressesMax) return;
      this.#known.set(address, { ...newlyKnown(), identity });
    }
  }

  isDue(address: string, nowMs: number): boolean {
    const known = this.#known.get(address);
    return known !== undefined && known.askAgainAtMs <= nowMs;
  }

  /** The controller expects to hear of this agent again, whatever there is to ask. */
  isPollDue(nowMs: number): boolean {
    return this.#askAgainAtMs <= nowMs;
  }

  /** Asks what changed where that can be said, and all else anew. */
  question(addresses: readonly string[], nowMs: number): Question {
    const have: string[] = [];
    const want: string[] = [];
    let since = Infinity;
    for (const address of addresses) {
      const { identity, answer } = this.#known.get(address) ?? newlyKnown();
      if (
        identity === undefined ||
        answer?.epoch !== this.#epoch ||
        nowMs - answer.takenAtMs > HAVE_MS_MAX
      ) {
        want.push(address);
      } else {
        have.push(address);
        since = Math.min(since, answer.revision);
      }
    }
    return { have, want, ...(have.length > 0 && { epoch: this.#epoch, since }) };
  }

  take({ have, want }: Question, response: ResolveResponse, nowMs: number): void {
    const { epoch, entries, reset } = response;
    const gone = new Set(response.gone);
    const nextPollMs = Math.min(response.nextPollMs, POLL_MS_MAX);
    const answer = { epoch, revision: response.rev, takenAtMs: nowMs, nextPollMs };
    this.#epoch = epoch;
    this.#askAgainAtMs = nowMs + POLL_SLACK * nextPollMs;
    for (const address of want) this.#learn(address, entries[address], answer);
    for (const address of have) {
      const entry = entries[address];
      const stays = entry === undefined && !reset && !gone.has(address);
      this.#learn(address, stays ? 'same' : entry, answer);
    }
  }

  #learn(address: string, entry: ResolvedEntry | 'same' | undefined, answer: Answer): void {
    const known = this.#known.get(address);
    // Forgotten while the question was on its way.
    if (known === undefined) return;
    const isKept = entry === undefined && staysEnded(known, answer);
    if (entry !== 'same' && !isKept) updateOwner(known, entry);
    known.answer = answer;
    known.misses = known.identity === undefined ? known.misses + 1 : 0;
    const { takenAtMs, nextPollMs } = answer;
    const isMissed = known.misses > 0;
    const waitMs = isMissed ? this.#missMs(known.misses, nextPollMs) : POLL_SLACK * nextPollMs;
    known.askAgainAtMs = takenAtMs + waitMs;
  }

  /** Between half of the interval and all of it, so that a poll of the same interval finds it over. */
  #missMs(misses: number, nextPollMs: number): number {
    const firstMs = Math.min(nextPollMs, FIRST_MISS_MS_MAX);
    const intervalMs = Math.min(firstMs * 2 ** (misses - 1), MISS_MS_MAX);
    return intervalMs * (0.5 + this.#random() / 2);
  }
}

/** The controller forgets a pod that has ended after a while; the connections that are left do not. */
function staysEnded({ hasEnded, answer: last }: Known, { takenAtMs }: Answer): boolean {
  return hasEnded && last !== undefined && takenAtMs - last.takenAtMs <= POD_MS_MAX;
}

/** What did not change stays the same object. */
function updateOwner(known: Known, entry: ResolvedEntry | undefined): void {
  if (entry === undefined) {
    known.identity = undefined;
    known.takeover = undefined;
    known.hasEnded = false;
    return;
  }
  const { sinceMs, endedMs, previous, ...identity } = entry;
  known.hasEnded = endedMs !== undefined;
  if (!isDeepStrictEqual(known.identity, identity)) known.identity = identity;
  const takeover = sinceMs === undefined ? undefined : takeoverOf(known, sinceMs, previous);
  if (!isDeepStrictEqual(known.takeover, takeover)) known.takeover = takeover;
}

/** The controller forgets who was there before after a while; the connections that are left do not. */
function takeoverOf(known: Known, sinceMs: number, told: Identity | undefined): Takeover {
  const isSame = known.takeover?.sinceMs === sinceMs;
  const previous = told ?? (isSame ? known.takeover?.previous : undefined);
  return previous === undefined ? { sinceMs } : { sinceMs, previous };
}

function newlyKnown(): Known {
  return {
    identity: undefined,
    takeover: undefined,
    hasEnded: false,
    rememberedIn: 0,
    answer: undefined,
    askAgainAtMs: 0,
    misses: 0,
  };
}
