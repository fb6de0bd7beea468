import * as fc from 'fast-check';
import { parseAddress } from '../../src/net/address.ts';
import { flow, GRE, ICMP, ICMPV6, TCP, UDP, type Flow } from './flow.ts';

const port = fc.integer({ min: 0, max: 0xffff });
const SCTP = 132;
const anyCount = fc.bigInt(0n, 1n << 62n);

/** Any flow that the kernel could have, as an arbitrary of fast-check. */
export const anyFlow: fc.Arbitrary<Flow> = fc.boolean().chain((isIPv6) => {
  // A mapped address is IPv4 for net/address.ts; the kernel has none in its table.
  const address = isIPv6
    ? fc.ipV6().filter((text) => parseAddress(text)?.length === 16)
    : fc.ipV4();
  return fc
    .record({
      protocol: fc.constantFrom(TCP, UDP, isIPv6 ? ICMPV6 : ICMP, GRE, SCTP),
      source: address,
      destination: address,
      sourcePort: port,
      destinationPort: port,
      backend: address,
      backendPort: port,
      replyTo: address,
      replyPort: port,
      zone: port,
      id: fc.nat(0xffff_ffff),
      status: fc.nat(0xffff),
      state: fc.option(fc.nat(20), { nil: undefined }),
      timeout: fc.option(fc.nat(0xffff_fffe), { nil: undefined }),
      tcpFlags: fc.tuple(fc.nat(0xff), fc.nat(0xff)),
      start: fc.bigInt(0n, (1n << 64n) - 1n),
      packets: fc.tuple(anyCount, anyCount),
      bytes: fc.tuple(anyCount, anyCount),
    })
    .map((any) =>
      flow({
        ...any,
        state: any.protocol === TCP || any.protocol === SCTP ? any.state : undefined,
        bytes: isZero(any.packets) ? [0n, 0n] : any.bytes,
      }),
    );
});

/** The kernel counts both or neither. */
function isZero([original, reply]: readonly [bigint, bigint]): boolean {
  return original + reply === 0n;
}
