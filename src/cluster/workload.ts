import type { Identity } from '../inventory/identity.ts';

export interface OwnerReference {
  readonly kind?: string;
  readonly name?: string;
  readonly controller?: boolean;
}

interface Owned {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly OwnerReference[];
  readonly node: string | undefined;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number | undefined;
}

/** A CronJob names its Jobs after the minute they were due, in minutes since the epoch. */
const CRON_JOB = /^(.+)-(\d{8})$/;
const MINUTE_MS = 60_000;
/** A Job may start late (startingDeadlineSeconds), but not by days. */
const DUE_MINUTES_MAX = 24 * 60;

/**
 * What a person would say that the pod belongs to. Names tell the owner's owner, so that nothing but
 * pods has to be watched: a ReplicaSet is named after its Deployment and the pod's template hash.
 */
export function workloadOf(pod: Owned): Identity['workload'] {
  const owner = pod.ownerReferences.find(({ controller }) => controller === true);
  const { kind, name } = owner ?? {};
  if (kind === undefined || name === undefined) return undefined;
  switch (kind) {
    case 'ReplicaSet':
      return ownerOfReplicaSet(name, pod.labels);
    case 'Job':
      return ownerOfJob(name, pod.createdAtMs);
    case 'Node':
      // A static pod is named after its manifest and its node.
      return { kind: 'Node', name: withoutSuffix(pod.name, pod.node ?? name) ?? pod.name };
    default:
      return { kind, name };
  }
}

function ownerOfReplicaSet(
  name: string,
  labels: Readonly<Record<string, string>>,
): NonNullable<Identity['workload']> {
  const deployment = withoutSuffix(name, labels['pod-template-hash']);
  if (deployment !== undefined) return { kind: 'Deployment', name: deployment };
  // Argo Rollouts owns ReplicaSets too, under a label of its own.
  const rollout = withoutSuffix(name, labels['rollouts-pod-template-hash']);
  if (rollout !== undefined) return { kind: 'Rollout', name: rollout };
  return { kind: 'ReplicaSet', name };
}

function ownerOfJob(
  name: string,
  createdAtMs: number | undefined,
): NonNullable<Identity['workload']> {
  const [, cronJob, minutes] = CRON_JOB.exec(name) ?? [];
  if (cronJob === undefined || createdAtMs === undefined) return { kind: 'Job', name };
  const lateMinutes = createdAtMs / MINUTE_MS - Number(minutes);
  if (Math.abs(lateMinutes) > DUE_MINUTES_MAX) return { kind: 'Job', name };
  return { kind: 'CronJob', name: cronJob };
}

function withoutSuffix(name: string, suffix: string | undefined): string | undefined {
  if (suffix === undefined || !name.endsWith(`-${suffix}`)) return undefined;
  const rest = name.slice(0, -suffix.length - 1);
  return rest === '' ? undefined : rest;
}
