import { isDeepStrictEqual } from 'node:util';
import { addressKey } from '../net/address.ts';
import { CidrTable, type Cidr } from '../net/cidr.ts';
import { byPrecedence, candidateOf, RANK, type Candidate, type Claim } from './claim.ts';
import type { Identity, Ownership } from './identity.ts';
import { RecentChanges } from './recent-changes.ts';

/** What is known of an address that is claimed, or lost its last claim a short time ago. */
interface Holding {
  /** Who has it. */
  best: Candidate | undefined;
  /** Who else claims it, the better ones first. */
  others: readonly Candidate[];
  /** Of the last change of its owner. */
  revision: number;
}

/** How long a deleted pod keeps an address that nobody else claims: its connections outlive it. */
const DELETED_POD_MS = 5 * 60_000;
/** How long a lost address is remembered, so that whoever asks what changed is told. */
const HISTORY_MS = 15 * 60_000;
const DELETED_PODS_MAX = 131_072;
const HISTORY_MAX = 131_072;
/** Shared by all addresses that are not contested. */
const NONE: readonly Candidate[] = [];

/**
 * Who owns each address. Objects claim addresses; the best claim wins, whatever the order of events;
 * an address nobody claims belongs to the longest CIDR that holds it.
 *
 * Each change of an owner gets the next revision, so that somebody who knows all as of one revision
 * can be told what changed since. The ranges count as one: when they change, every address that
 * lives by them does.
 */
export class Inventory {
  readonly #now: () => number;
  /** By {@link addressKey}. */
  readonly #holdings = new Map<string | number, Holding>();
  readonly #candidatesOf = new Map<string, readonly Candidate[]>();
  /** When each deleted pod was deleted, by UID, oldest first. */
  readonly #deletedPods = new Map<string, number>();
  /** When each unclaimed address of #holdings lost its last claim, oldest first. */
  readonly #lost = new Map<string, number>();
  readonly #recent = new RecentChanges();
  #cidrs: readonly (readonly [Cidr, Identity])[] = [];
  #cidrTable = new CidrTable<Identity>([]);
  #cidrsRevision = 0;
  #endings = 0;
  #revision = 0;
  #historyStart = 0;

  constructor({ now }: { readonly now: () => number }) {
    this.#now = now;
  }

  /** Of the last change of any owner; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }

  /** The lowest revision since which all changes are known. */
  get historyStart(): number {
    return this.#historyStart;
  }

  /** How many addresses are claimed; those of the ranges do not count. */
  get size(): number {
    return this.#holdings.size - this.#lost.size;
  }

  /**
   * All that are claimed, those of the ranges not among them; only what comes after an address that
   * was claimed a short time ago. One that is claimed throughout is never missed.
   */
  *addresses({ after }: { readonly after?: string | undefined } = {}): Iterable<string> {
    const last = addressKey(after ?? '');
    let isReached = !this.#holdings.has(last);
    for (const [key, { best }] of this.#holdings) {
      if (isReached && best !== undefined) yield best.address;
      if (key === last) isReached = true;
    }
  }

  /** What the object claims now; what it held until it was deleted, as long as that is remembered. */
  claimsOf(uid: string): readonly Claim[] {
    return this.#candidatesOf.get(uid) ?? [];
  }

  identityOf(address: string): Identity | undefined {
    const best = this.#holdings.get(addressKey(address))?.best;
    return best === undefined ? this.#cidrTable.find(address) : best.identity;
  }

  ownershipOf(address: string): Ownership | undefined {
    const holding = this.#holdings.get(addressKey(address));
    if (holding?.best === undefined) {
      const identity = this.#cidrTable.find(address);
      return identity && { identity };
    }
    const { identity, startedAtMs: sinceMs, end } = holding.best;
    const previous = holding.others === NONE ? undefined : previousOf(holding)?.identity;
    const ownership = sinceMs === undefined ? { identity } : { identity, sinceMs };
    // Most are like this, and a conditional spread is slow.
    if (end === undefined && previous === undefined) return ownership;
    return {
      ...ownership,
      ...(end !== undefined && { endedMs: end.atMs }),
      ...(previous !== undefined && { previous }),
    };
  }

  /** The owner of the address has been the same since this revision, or longer. */
  revisionOf(address: string): number {
    const holding = this.#holdings.get(addressKey(address));
    if (holding?.best !== undefined) return holding.revision;
    return Math.max(holding?.revision ?? this.#historyStart, this.#cidrsRevision);
  }

  /** Whether the owner of the address has changed after a revision; the same by {@link revisionOf}, and faster. */
  hasChanged(address: string, since: number): boolean {
    const known =
      since < this.#cidrsRevision ? undefined : this.#recent.hasChanged(addressKey(address), since);
    return known ?? this.revisionOf(address) > since;
  }

  /** The claims of an object, in place of those it had. Of two for one address the better counts. */
  put(uid: string, claims: Iterable<Claim>): void {
    const candidates = new Map<string, Candidate>();
    for (const claim of claims) {
      const candidate = candidateOf(uid, claim);
      const other = candidates.get(claim.address);
      if (other === undefined || byPrecedence(candidate, other) < 0) {
        candidates.set(claim.address, candidate);
      }
    }
    this.#deletedPods.delete(uid);
    this.#replace(uid, candidates);
    this.expire();
  }

  /** The object is gone. What it held as a pod stays its own for {@link DELETED_POD_MS}, at the lowest rank. */
  remove(uid: string): void {
    if (this.#deletedPods.has(uid)) return;
    const remains = new Map<string, Candidate>();
    const end = { atMs: Math.trunc(this.#now()), number: ++this.#endings };
    for (const candidate of this.#candidatesOf.get(uid) ?? []) {
      if (candidate.rank !== RANK.pod) continue;
      remains.set(candidate.address, { ...candidate, rank: RANK.deletedPod, end });
    }
    if (remains.size > 0) this.#deletedPods.set(uid, this.#now());
    this.#replace(uid, remains);
    this.expire();
  }

  /** The ranges, in place of those there were. */
  replaceCidrs(cidrs: readonly (readonly [Cidr, Identity])[]): void {
    if (isDeepStrictEqual(cidrs, this.#cidrs)) return;
    const known = new Map(this.#cidrs.map(([cidr, identity]) => [cidr.text, identity]));
    this.#cidrs = cidrs.map(([cidr, identity]) => [cidr, same(known.get(cidr.text), identity)]);
    this.#cidrTable = new CidrTable(this.#cidrs);
    this.#cidrsRevision = ++this.#revision;
  }

  /** Lets go of what was kept for a time only. */
  expire(): void {
    const nowMs = this.#now();
    for (const uid of outdated(this.#deletedPods, nowMs - DELETED_POD_MS, DELETED_PODS_MAX)) {
      this.#deletedPods.delete(uid);
      this.#replace(uid, new Map());
    }
    for (const address of outdated(this.#lost, nowMs - HISTORY_MS, HISTORY_MAX)) {
      const key = addressKey(address);
      const { revision } = this.#holdings.get(key) ?? { revision: 0 };
      this.#historyStart = Math.max(this.#historyStart, revision);
      this.#holdings.delete(key);
      this.#lost.delete(address);
    }
  }

  #replace(uid: string, next: Map<string, Candidate>): void {
    for (const previous of this.#candidatesOf.get(uid) ?? []) {
      const candidate = next.get(previous.address);
      if (candidate === undefined) this.#claim(previous.address, uid, undefined);
      else if (isDeepStrictEqual(candidate, previous)) next.set(previous.address, previous);
      else {
        const identity = same(previous.identity, candidate.identity);
        next.set(previous.address, { ...candidate, identity });
      }
    }
    for (const candidate of next.values()) this.#claim(candidate.address, uid, candidate);
    if (next.size === 0) this.#candidatesOf.delete(uid);
    else this.#candidatesOf.set(uid, [...next.values()]);
  }

  /** The one candidate of this object for the address, or none: claims of others are never touched. */
  #claim(address: string, uid: string, candidate: Candidate | undefined): void {
    const key = addressKey(address);
    const holding = this.#holdings.get(key) ?? { best: undefined, others: NONE, revision: 0 };
    const all = holding.best === undefined ? [] : [holding.best, ...holding.others];
    if (candidate !== undefined && all.includes(candidate)) return;
    const before = this.ownershipOf(address);
    const previousRevision = this.revisionOf(address);

    const candidates = all.filter((other) => other.uid !== uid);
    if (candidate !== undefined) candidates.push(candidate);
    const [best, ...others] = candidates.toSorted(byPrecedence);
    holding.best = best;
    holding.others = others.length === 0 ? NONE : others;
    this.#holdings.set(key, holding);
    this.#lost.delete(address);
    if (best === undefined) this.#lost.set(address, this.#now());

    const changed = hasNews(before, this.ownershipOf(address));
    holding.revision = changed ? ++this.#revision : previousRevision;
    if (changed) this.#recent.note(key, holding.revision);
  }
}

/**
 * The pod that was deleted last, of those that held the address before its owner: the one that is
 * forgotten last, so that no other takes its place.
 */
function previousOf({ best, others }: Holding): Candidate | undefined {
  if (others.length === 0 || best?.rank === RANK.deletedPod) return undefined;
  return others
    .filter(({ rank }) => rank === RANK.deletedPod)
    .toSorted((a, b) => (b.end?.number ?? 0) - (a.end?.number ?? 0))[0];
}

/** Who is told of a previous owner keeps it: that it is forgotten here is no news. */
function hasNews(before: Ownership | undefined, after: Ownership | undefined): boolean {
  return (
    !isDeepStrictEqual(before?.identity, after?.identity) ||
    before?.sinceMs !== after?.sinceMs ||
    before?.endedMs !== after?.endedMs ||
    (after?.previous !== undefined && !isDeepStrictEqual(before?.previous, after.previous))
  );
}

/** The known one where both say the same, so that what did not change stays the same object. */
function same(known: Identity | undefined, identity: Identity): Identity {
  return known !== undefined && isDeepStrictEqual(known, identity) ? known : identity;
}

/** Keys at the front of a map in the order of time: those up to `untilMs`, and those too many. */
function* outdated(
  timesMs: ReadonlyMap<string, number>,
  untilMs: number,
  entriesMax: number,
): Iterable<string> {
  for (const [key, timeMs] of timesMs) {
    if (timeMs > untilMs && timesMs.size <= entriesMax) return;
    yield key;
  }
}
