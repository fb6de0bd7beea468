import type { Identity } from './identity.ts';

/** Who wins an address that several objects claim: the lowest number. */
export const RANK = {
  pod: 10,
  serviceClusterIp: 20,
  nodeInternalIp: 30,
  nodeExternalIp: 35,
  /** announced by the CNI in annotations */
  announced: 40,
  /** Below nodes: k3s' servicelb puts node addresses here, and an externalIP may be one. */
  loadBalancerIp: 50,
  externalIp: 55,
  /** Low: an address management without podCIDRs may give these addresses to real pods. */
  podCidrGateway: 60,
  podCidrNetwork: 61,
  endpointSlice: 70,
  deletedPod: 80,
} as const;

type Rank = (typeof RANK)[keyof typeof RANK];

/** One address that an object says is its own. */
export interface Claim {
  /** Canonical text. */
  readonly address: string;
  readonly rank: Rank;
  readonly identity: Identity;
  /** The object is being deleted; it yields to one that is not. */
  readonly deleting?: boolean | undefined;
  /** Since when the object holds the address; the later of two holders wins. */
  readonly startedAtMs?: number | undefined;
}

/** How an object ended. */
interface End {
  /** Whole milliseconds since the epoch. */
  readonly atMs: number;
  /** Which one it was of all that did: several do within a millisecond. */
  readonly number: number;
}

export interface Candidate extends Claim {
  readonly uid: string;
  readonly end: End | undefined;
}

/** All of its properties at once: V8 keeps those that come later in an object of their own. */
export function candidateOf(uid: string, claim: Claim): Candidate {
  const { address, rank, identity, deleting, startedAtMs } = claim;
  return { address, rank, identity, deleting, startedAtMs, uid, end: undefined };
}

/** The smaller UID decides last, so that equals do not take turns. */
export function byPrecedence(a: Candidate, b: Candidate): number {
  return (
    a.rank - b.rank ||
    Number(a.deleting ?? false) - Number(b.deleting ?? false) ||
    (b.startedAtMs ?? 0) - (a.startedAtMs ?? 0) ||
    (a.uid < b.uid ? -1 : Number(a.uid > b.uid))
  );
}
