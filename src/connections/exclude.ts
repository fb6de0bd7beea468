import { CidrTable, parseCidr, type Cidr } from '../net/cidr.ts';
import { TRANSPORTS } from './transport.ts';

/**
 * What drowns the page by default: loopback, and the outer packets of tunnels, whose inner
 * connections are counted anyway: VXLAN (RFC 7348), Linux' older VXLAN port, Geneve (RFC 8926),
 * WireGuard.
 */
export const DEFAULT_EXCLUDE = [
  '127.0.0.0/8',
  '::1',
  'udp/4789',
  'udp/8472',
  'udp/6081',
  'udp/51820',
] as const;

const PORT_MAX = 65_535;
const PROTOCOLS = new Map(Array.from(TRANSPORTS, ([number, name]) => [name, number]));

interface RangeRule {
  readonly kind: 'range';
  readonly cidr: Cidr;
}

/** What is undefined matches everything. */
interface DestinationRule {
  readonly kind: 'destination';
  readonly protocol: number | undefined;
  readonly port: number | undefined;
}

export type ExcludeRule = RangeRule | DestinationRule;

/**
 * Reads one item of `--exclude`:
 *
 * | item | leaves out every edge |
 * |---|---|
 * | `10.0.0.0/8`, `fd00::/8`, `::1` | whose source or destination is in the range |
 * | `udp/4789` | with this transport and destination port |
 * | `icmp` | with this transport |
 * | `10250` | with this destination port, on any transport |
 *
 * Throws an Error that says what is wrong with the item.
 */
export function parseExclude(item: string): ExcludeRule {
  if (/[.:]/.test(item)) return { kind: 'range', cidr: parseRange(item) };
  const [, alone, before, digits] = /^(?:([a-z]\w*)|(?:([a-z]\w*)\/)?(\d+))$/.exec(item) ?? [];
  const transport = alone ?? before;
  const protocol = transport === undefined ? undefined : PROTOCOLS.get(transport);
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > PORT_MAX)) {
    throw new Error(`Cannot read exclude "${item}": a port is 1 to ${PORT_MAX}`);
  }
  if (protocol === undefined && (transport !== undefined || port === undefined)) {
    throw new Error(
      `Cannot read exclude "${item}": not a CIDR, a transport, a port or transport/port, as in ` +
        `10.0.0.0/8, icmp, 10250, udp/4789; transports are ${[...PROTOCOLS.keys()].join(', ')}`,
    );
  }
  return { kind: 'destination', protocol, port };
}

/** An address alone is the range that holds nothing else. */
function parseRange(item: string): Cidr {
  if (item.includes('/')) return parseCidr(item);
  return parseCidr(`${item}/${item.includes(':') ? 128 : 32}`);
}

/** The rules together, in the two halves in which they are asked: by address, and by destination. */
export class Exclusion {
  readonly #ranges: CidrTable<true>;
  readonly #destinations: readonly DestinationRule[];

  constructor(rules: readonly ExcludeRule[]) {
    this.#ranges = new CidrTable(
      rules.filter((rule) => rule.kind === 'range').map(({ cidr }) => [cidr, true]),
    );
    this.#destinations = rules.filter((rule) => rule.kind === 'destination');
  }

  /** True when edges from and to this address are left out. */
  hasAddress(address: string): boolean {
    return this.#ranges.find(address) !== undefined;
  }

  /** True when edges to this port (undefined where the protocol has none) are left out. */
  hasDestination(protocol: number, port: number | undefined): boolean {
    return this.#destinations.some(
      (rule) =>
        (rule.protocol === undefined || rule.protocol === protocol) &&
        (rule.port === undefined || rule.port === port),
    );
  }
}
