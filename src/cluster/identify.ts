/** What is the same for objects of every kind: names, labels, addresses as text. */
import type { Claim } from '../inventory/claim.ts';
import type { Identity } from '../inventory/identity.ts';
import { canonicalAddress } from '../net/address.ts';

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
}

/** The first of them that is set, as people name their applications. */
const APP_LABELS = ['app', 'app.kubernetes.io/name', 'k8s-app'] as const;

/** Claims of one rank for those of the texts that are addresses; a host name is none. */
export function claims(
  texts: readonly (string | undefined)[],
  claim: Omit<Claim, 'address'>,
): readonly Claim[] {
  return texts.flatMap((text) => {
    const address = text === undefined ? undefined : canonicalAddress(text);
    return address === undefined ? [] : [{ address, ...claim }];
  });
}

/** The parts of an identity that an object in a namespace has. */
export function namedIn({
  name,
  namespace,
  labels = {},
}: Metadata): Pick<Identity, 'name' | 'namespace' | 'app'> {
  const app = APP_LABELS.map((label) => labels[label]).find((value) => (value ?? '') !== '');
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(app !== undefined && { app }),
  };
}

/** Of RFC 3339 text, in ms since the epoch. */
export function timeMs(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
