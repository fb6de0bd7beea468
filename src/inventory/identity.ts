/** Who an address belongs to. The words are Kubernetes' own; `khan` labels are made from them. */

export const IDENTITY_TYPES = ['pod', 'service', 'node', 'network', 'gateway'] as const;

export type IdentityType = (typeof IDENTITY_TYPES)[number];

/** The controller that owns a pod, e.g. `{ kind: 'Deployment', name: 'web' }`. */
interface Workload {
  readonly kind: string;
  readonly name: string;
}

/** A property that does not apply is absent, never an empty string. */
export interface Identity {
  readonly type: IdentityType;
  readonly name: string;
  readonly namespace?: string;
  readonly app?: string;
  /** Name of the node where the owner lives; decides which agent is primary. */
  readonly node?: string;
  readonly workload?: Workload;
  readonly topologyZone?: string;
}

/** Since when the present owner of an address holds it, and who held it before. */
export interface Takeover {
  /** Milliseconds since the epoch: the owner's own start time. */
  readonly sinceMs: number;
  /** The deleted pod that held the address until then, as long as it is remembered. */
  readonly previous?: Identity;
}

export interface Ownership extends Partial<Takeover> {
  readonly identity: Identity;
  /** Milliseconds since the epoch: when the owner was deleted or ended. Only pods keep an address after that. */
  readonly endedMs?: number;
}
