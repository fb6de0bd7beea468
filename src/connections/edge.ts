import type { Identity } from '../inventory/identity.ts';

/** An address as the edges of one agent share it: one object per address, named in place. */
export interface Endpoint {
  /** Canonical text: dotted IPv4, RFC 5952 IPv6. */
  readonly address: string;
  /** Who owns it, as far as known now. */
  identity: Identity | undefined;
  /** The node where the owner lives, as far as known now. This agent's own addresses are always its node's. */
  node: string | undefined;
  /** The owner is a pod that was deleted or has ended. Every former owner of an address is. */
  hasEnded: boolean;
}

/** One tallied edge, named. */
export interface Edge {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** The real destination, known from the reply tuple; the destination itself where nothing is translated. */
  readonly backend: Endpoint;
  /** IANA protocol number. */
  readonly protocol: number;
  /** Destination port; undefined where the protocol has none. */
  readonly port: number | undefined;
  readonly backendPort: number | undefined;
  /** The source address was changed on its way (masquerade, SNAT); a changed port alone does not count. */
  readonly sourceTranslated: boolean;
  /** This agent is the one that counts the edge for cluster-wide sums. */
  primary: boolean;
}
