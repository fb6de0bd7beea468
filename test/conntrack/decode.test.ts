import * as fc from 'fast-check';
import t from 'tap';
import { ENTRY } from '../../src/conntrack/entry.ts';
import { anyFlow } from '../builders/any-flow.ts';
import {
  addresses,
  attribute,
  attributesOf,
  be16,
  be32,
  CTA_ID,
  CTA_PROTOINFO,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_TUPLE_ZONE,
  CTA_ZONE,
  entryPayload,
  nested,
  originalTuple,
  protocolInfo,
  protocolPart,
  replyTuple,
  u8,
} from '../builders/ctnetlink.ts';
import {
  decode,
  decodeAttributes,
  itsAddresses,
  itsPorts,
  others,
  tcp,
  withOriginal,
} from '../builders/decoded.ts';
import {
  entryOf,
  familyOf,
  flow,
  flow6,
  GRE,
  ICMP,
  ICMPV6,
  IPS_OFFLOAD,
  UDP,
  type Flow,
} from '../builders/flow.ts';

const { source, destination, protocol, sourcePort, destinationPort } = tcp;

t.test('an entry is decoded as the kernel meant it', async (t) => {
  for (const [name, one] of [
    ['TCP', flow()],
    ['TCP over IPv6', flow6()],
    ['TCP with everything', tcp],
    ['UDP', flow({ protocol: UDP, sourcePort: 0xffff, destinationPort: 53 })],
    ['DNAT', flow({ destination: '10.96.0.10', backend: '10.1.0.33', backendPort: 8443 })],
    ['masquerade', flow({ replyTo: '192.168.1.2', replyPort: 61_000 })],
    ['ICMP', flow({ protocol: ICMP, sourcePort: 0xabcd, destinationPort: 8 << 8, replyPort: 0 })],
    ['ICMPv6', flow6({ protocol: ICMPV6, sourcePort: 1, destinationPort: 128 << 8 })],
    ['GRE', flow({ protocol: GRE, sourcePort: 0x1234, destinationPort: 0x5678 })],
  ] as const) {
    t.strictSame(decode(entryPayload(one)), entryOf(one), name);
  }
});

t.test('an unknown protocol has a number and nothing else', async (t) => {
  const number = nested(CTA_TUPLE_PROTO, [u8(1, 253)]);
  const entry = decodeAttributes([
    nested(CTA_TUPLE_ORIG, [addresses(source, destination), number]),
    nested(CTA_TUPLE_REPLY, [addresses(destination, source), number]),
  ]);
  t.equal(entry?.[ENTRY.protocol], 253);
  t.equal(entry?.[ENTRY.discriminator], 0);
  t.equal(entry?.[ENTRY.replyDiscriminator], 0);
});

const anyOrder = (parts: Uint8Array[]) => fc.shuffledSubarray(parts, { minLength: parts.length });

t.test('any order of the attributes gives the same entry, at every level', async () => {
  const shuffled = anyFlow.chain((one) => {
    const original = [
      addresses(one.source, one.destination),
      protocolPart(one.protocol, one.sourcePort, one.destinationPort),
    ];
    const reply = [
      addresses(one.backend, one.replyTo),
      protocolPart(one.protocol, one.backendPort, one.replyPort),
    ];
    return fc
      .tuple(anyOrder(original), anyOrder(reply))
      .chain(([first, second]) =>
        anyOrder([
          nested(CTA_TUPLE_ORIG, first),
          nested(CTA_TUPLE_REPLY, second),
          ...attributesOf(one).slice(2),
        ]),
      )
      .map((attributes) => ({ one, attributes }));
  });
  fc.assert(
    fc.property(
      shuffled,
      ({ one, attributes }) =>
        decodeAttributes(attributes, familyOf(one))?.join() === entryOf(one).join(),
    ),
  );
});

t.test('what is decoded does not depend on the entry before', async () => {
  fc.assert(
    fc.property(anyFlow, (one) => decode(entryPayload(one))?.join() === entryOf(one).join()),
  );
});

t.test('of an attribute that comes twice the last one counts', async (t) => {
  const twice = [
    originalTuple(flow({ destinationPort: 0x0f0f })),
    ...attributesOf(tcp),
    be32(CTA_ID, 5),
    be32(CTA_ID, tcp.id),
  ];
  t.strictSame(decodeAttributes(twice), entryOf(tcp));
  const ports = nested(CTA_TUPLE_PROTO, [
    u8(1, 17),
    be16(2, 0xffff),
    be16(3, 0xffff),
    u8(1, protocol),
    be16(2, sourcePort),
    be16(3, destinationPort),
  ]);
  t.strictSame(decodeAttributes(withOriginal(itsAddresses, ports)), entryOf(tcp));
});

t.test('of an ICMP type and code that come twice the last ones count', async (t) => {
  const echo = flow({ protocol: ICMP, sourcePort: 7, destinationPort: 0x0803 });
  const twice = nested(
    CTA_TUPLE_PROTO,
    [u8(1, ICMP), be16(4, 7)].concat([u8(5, 0xff), u8(6, 0xff), u8(5, 8), u8(6, 3)]),
  );
  const original = nested(CTA_TUPLE_ORIG, [itsAddresses, twice]);
  const entry = decodeAttributes([original, replyTuple(echo)]);
  t.equal(entry?.[ENTRY.discriminator], entryOf(echo)[ENTRY.discriminator]);
});

t.test('a tuple that only looks like the usual one is not taken for it', async (t) => {
  const UNKNOWN = 0x3f;
  // Offsets of the attributes in a tuple of IPv4 addresses and ports.
  for (const [name, at, meaning] of [
    ['addresses', 4, undefined],
    ['source', 8, undefined],
    ['destination', 16, undefined],
    ['protocol', 24, undefined],
    ['protocol number', 28, undefined],
    ['source port', 36, destinationPort],
    ['destination port', 44, sourcePort * 0x1_0000],
  ] as const) {
    const tuple = originalTuple(tcp);
    tuple[at + 2] = UNKNOWN;
    const entry = decodeAttributes([tuple, replyTuple(tcp)]);
    t.equal(entry?.[ENTRY.discriminator], meaning, name);
  }
});

t.test('an attribute that is newer than this build is skipped, at every level', async (t) => {
  const unknown = attribute(0x3ffe, new Uint8Array(13));
  const unknownNest = nested(0x3ffd, [u8(1, 1)]);
  const tuple = nested(CTA_TUPLE_ORIG, [
    unknown,
    nested(CTA_TUPLE_IP, [
      unknown,
      attribute(1, Uint8Array.of(10, 1, 0, 11)),
      unknownNest,
      attribute(2, Uint8Array.of(10, 1, 0, 22)),
    ]),
    unknownNest,
    nested(CTA_TUPLE_PROTO, [unknown, u8(1, protocol), be16(2, sourcePort), be16(3, 443), unknown]),
  ]);
  t.strictSame(
    decodeAttributes([unknown, tuple, replyTuple(tcp), unknownNest, ...others]),
    entryOf(tcp),
  );
});

t.test('the two flag bits above an attribute type are not part of it', async (t) => {
  const NLA_F_NET_BYTEORDER = 0x4000;
  const id = be32(CTA_ID | NLA_F_NET_BYTEORDER, 77);
  t.equal(decodeAttributes([...attributesOf(flow()), id])?.[ENTRY.id], 77);
  const plainTuple = attribute(CTA_TUPLE_ORIG, originalTuple(tcp).slice(4));
  t.strictSame(decodeAttributes([plainTuple, replyTuple(tcp), ...others]), entryOf(tcp));
});

t.test('status, state, timeout, zone, timestamp and counters may all be missing', async (t) => {
  const entry = decodeAttributes([originalTuple(tcp), replyTuple(tcp)]);
  const bare = { ...tcp, zone: 0, id: 0, status: 0, state: undefined, start: 0n };
  const uncounted = { packets: [0n, 0n], bytes: [0n, 0n] } as const;
  t.strictSame(entry, entryOf({ ...bare, ...uncounted, timeout: undefined }));
});

t.test('no state is told from state 0, as an offloaded entry has none', async (t) => {
  t.equal(decode(entryPayload(flow({ state: 0 })))?.[ENTRY.state], 0);
  const offloaded = flow({ state: undefined, status: IPS_OFFLOAD });
  t.equal(decode(entryPayload(offloaded))?.[ENTRY.state], 0xff);
});

t.test('the state of SCTP is decoded, and that of an unknown protocol is not', async (t) => {
  const tuples = attributesOf(flow({ state: undefined }));
  const withInfo = (info: Uint8Array) => decodeAttributes([...tuples, info])?.[ENTRY.state];
  t.equal(withInfo(protocolInfo(132, 4)), 4);
  t.equal(withInfo(nested(CTA_PROTOINFO, [nested(9, [u8(1, 4)])])), 0xff);
});

t.test('the zone of one direction counts where the entry has no other', async (t) => {
  const original = nested(CTA_TUPLE_ORIG, [itsAddresses, itsPorts, be16(CTA_TUPLE_ZONE, 5)]);
  const reply = replyTuple(tcp);
  t.equal(decodeAttributes([original, reply])?.[ENTRY.zone], 5);
  t.equal(decodeAttributes([original, reply, be16(CTA_ZONE, 9)])?.[ENTRY.zone], 9);
  t.equal(decodeAttributes([be16(CTA_ZONE, 9), original, reply])?.[ENTRY.zone], 9);
});

t.test('all numbers are unsigned', async (t) => {
  const high: Partial<Flow> = {
    id: 0xffff_fffe,
    status: 0x8000_0001,
    zone: 0xffff,
    source: '255.255.255.255',
    sourcePort: 0xffff,
    start: (1n << 64n) - 1n,
    packets: [(1n << 64n) - 1n, 1n << 63n],
  };
  t.strictSame(decode(entryPayload(flow(high))), entryOf(flow(high)));
});
