import type { Endpoint } from '../connections/edge.ts';
import { networkOf } from '../net/cidr.ts';

const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** How many bits of an address outside the cluster are told; 0: none of it. */
export interface ExternalPrefix {
  readonly ipv4: number;
  readonly ipv6: number;
}

export const WHOLE_ADDRESS: ExternalPrefix = { ipv4: IPV4_BITS, ipv6: IPV6_BITS };

/** Of `24/64`. Throws an Error that says what is wrong with the text. */
export function parseExternalPrefix(text: string): ExternalPrefix {
  const [, ipv4, ipv6] = /^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? [];
  const prefix = { ipv4: Number(ipv4), ipv6: Number(ipv6) };
  if (!(prefix.ipv4 <= IPV4_BITS && prefix.ipv6 <= IPV6_BITS)) {
    throw new Error('not two prefix lengths, of IPv4 and IPv6, such as 24/64');
  }
  return prefix;
}

/**
 * What is told of an endpoint's address: all of it, where the cluster owns it. Outside, which is an
 * address that nobody owns or one of a named network, strangers decide how many there are.
 */
export function addressText(
  { address, identity }: Endpoint,
  { ipv4, ipv6 }: ExternalPrefix,
): string | undefined {
  const isExternal = identity === undefined || identity.type === 'network';
  const isIPv6 = address.includes(':');
  const bits = isIPv6 ? ipv6 : ipv4;
  if (!isExternal || bits === (isIPv6 ? IPV6_BITS : IPV4_BITS)) return address;
  return bits === 0 ? undefined : networkOf(address, bits);
}
