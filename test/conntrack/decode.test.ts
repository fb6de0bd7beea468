import * as fc from 'fast-check';
import t from 'tap';
import { decodeEntry } from '../../src/conntrack/decode.ts';
import { ENTRY, ENTRY_WORDS } from '../../src/conntrack/entry.ts';
import {
  addresses,
  attribute,
  attributesOf,
  be16,
  be32,
  concat,
  CTA_ID,
  CTA_MARK,
  CTA_PROTOINFO,
  CTA_STATUS,
  CTA_TIMESTAMP,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_TUPLE_ZONE,
  CTA_ZONE,
  entryPayload,
  generic,
  nested,
  originalTuple,
  protocolInfo,
  protocolPart,
  replyTuple,
  u8,
} from '../builders/ctnetlink.ts';
import {
  AF_INET,
  AF_INET6,
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
import { anyFlow } from '../builders/any-flow.ts';

/** Nothing of it may show in what is decoded next. */
const GARBAGE = 0xdead_beef;

/** The entry that a payload holds, or undefined when it is refused. */
function decode(payload: Uint8Array): Uint32Array | undefined {
  const entry = new Uint32Array(ENTRY_WORDS).fill(GARBAGE);
  const words = new Uint32Array(payload.slice().buffer);
  if (!decodeEntry(words, 0, words.length, entry)) return undefined;
  // Of an IPv4 address only the first word says something.
  if (entry[ENTRY.family] === AF_INET) {
    for (const at of [ENTRY.source, ENTRY.destination, ENTRY.replySource, ENTRY.replyDestination]) {
      entry.fill(0, at + 1, at + 4);
    }
  }
  return entry;
}

function decodeAttributes(attributes: readonly Uint8Array[], family = AF_INET) {
  return decode(concat([generic(family), ...attributes]));
}

const tcp = flow({ zone: 7, start: 1_790_000_000_123_456_789n, packets: [12n, 1n << 40n] });
const others = attributesOf(tcp).slice(2);
const { source, destination, protocol, sourcePort, destinationPort } = tcp;
const itsAddresses = addresses(source, destination);
const itsPorts = protocolPart(protocol, sourcePort, destinationPort);
/** CTA_TUPLE_ORIG of other parts, with all else in order. */
const withOriginal = (...parts: Uint8Array[]) => [
  nested(CTA_TUPLE_ORIG, parts),
  replyTuple(tcp),
  ...others,
];

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

t.test('an entry is refused unless both tuples are there', async (t) => {
  t.equal(decodeAttributes([originalTuple(tcp), ...others]), undefined);
  t.equal(decodeAttributes([replyTuple(tcp), ...others]), undefined);
  t.equal(decodeAttributes([originalTuple(tcp), originalTuple(tcp), ...others]), undefined);
  t.equal(decodeAttributes([]), undefined);
  t.equal(decode(new Uint8Array()), undefined);
});

t.test('an entry is refused when a tuple lacks an address or its protocol', async (t) => {
  t.ok(decodeAttributes(withOriginal(itsAddresses, itsPorts)));
  t.equal(decodeAttributes(withOriginal(itsAddresses)), undefined);
  t.equal(decodeAttributes(withOriginal(itsPorts)), undefined);
  t.equal(decodeAttributes(withOriginal()), undefined);
  const onlySource = nested(CTA_TUPLE_IP, [attribute(1, Uint8Array.of(10, 1, 0, 11))]);
  t.equal(decodeAttributes(withOriginal(onlySource, itsPorts)), undefined);
  const noNumber = nested(CTA_TUPLE_PROTO, [be16(2, sourcePort), be16(3, destinationPort)]);
  t.equal(decodeAttributes(withOriginal(itsAddresses, noNumber)), undefined);
});

t.test('status, state, zone, timestamp and counters may all be missing', async (t) => {
  const entry = decodeAttributes([originalTuple(tcp), replyTuple(tcp)]);
  const bare = { ...tcp, zone: 0, id: 0, status: 0, state: undefined, start: 0n };
  t.strictSame(entry, entryOf({ ...bare, packets: [0n, 0n] }));
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

t.test('an attribute may not be shorter than its header, at any level', async (t) => {
  for (const length of [0, 1, 3]) {
    const short = attribute(CTA_MARK, new Uint8Array(4), length);
    t.equal(decodeAttributes([...attributesOf(tcp), short]), undefined);
    t.equal(decodeAttributes(withOriginal(itsAddresses, itsPorts, short)), undefined);
    const inAddresses = concat([itsAddresses.slice(4), short]);
    t.equal(
      decodeAttributes(withOriginal(attribute(CTA_TUPLE_IP, inAddresses), itsPorts)),
      undefined,
    );
    const inPorts = concat([itsPorts.slice(4), short]);
    t.equal(
      decodeAttributes(withOriginal(itsAddresses, attribute(CTA_TUPLE_PROTO, inPorts))),
      undefined,
    );
    const info = nested(CTA_PROTOINFO, [nested(1, [u8(1, 3), short])]);
    t.equal(decodeAttributes([...attributesOf(tcp), info]), undefined);
    t.equal(decodeAttributes([...attributesOf(tcp), nested(CTA_PROTOINFO, [short])]), undefined);
    t.equal(decodeAttributes([...attributesOf(tcp), nested(CTA_TIMESTAMP, [short])]), undefined);
  }
});

t.test('an attribute may not be longer than its parent, at any level', async (t) => {
  const long = attribute(CTA_MARK, new Uint8Array(4), 9);
  const tooLong = (type: number, children: readonly Uint8Array[]) =>
    nested(type, [...children.slice(0, -1), longer(children.at(-1)!)]);
  t.equal(decodeAttributes([...attributesOf(tcp), long]), undefined);
  // Inside of a nest the next attribute follows, so that only the parent's end tells.
  t.equal(decodeAttributes(withOriginal(itsAddresses, itsPorts, long)), undefined);
  const ports = [u8(1, protocol), be16(2, sourcePort), be16(3, destinationPort)];
  t.equal(decodeAttributes(withOriginal(itsAddresses, tooLong(CTA_TUPLE_PROTO, ports))), undefined);
  const both = [attribute(1, new Uint8Array(4)), attribute(2, new Uint8Array(4))];
  t.equal(decodeAttributes(withOriginal(tooLong(CTA_TUPLE_IP, both), itsPorts)), undefined);
  t.equal(
    decodeAttributes([...attributesOf(tcp), nested(CTA_PROTOINFO, [long])]),
    undefined,
    'state',
  );
  t.equal(
    decodeAttributes([...attributesOf(tcp), nested(CTA_TIMESTAMP, [long])]),
    undefined,
    'timestamp',
  );
  t.equal(decodeAttributes([...attributesOf(tcp), longer(be32(CTA_ID, 1), 0xffff)]), undefined);
});

t.test('a message that ends in the middle of an attribute is refused', async (t) => {
  const payload = entryPayload(flow());
  const [tuple1, tuple2] = attributesOf(flow());
  const whole = new Set([4 + tuple1!.length + tuple2!.length]);
  for (const one of attributesOf(flow()).slice(2)) whole.add(Math.max(...whole) + one.length);
  for (let bytes = 0; bytes <= payload.length; bytes += 4) {
    t.equal(decode(payload.slice(0, bytes)) !== undefined, whole.has(bytes), `${bytes} bytes`);
  }
});

t.test('a value that its attribute does not cover is not there', async (t) => {
  const bare = [originalTuple(flow()), replyTuple(flow())];
  const valueAt = (offset: number, ...attributes: Uint8Array[]) =>
    decodeAttributes([...bare, ...attributes])?.[offset];
  t.equal(valueAt(ENTRY.id, sized(CTA_ID, 7)), 0);
  t.equal(valueAt(ENTRY.status, sized(CTA_STATUS, 7)), 0);
  t.equal(valueAt(ENTRY.zone, sized(CTA_ZONE, 5)), 0);
  t.equal(valueAt(ENTRY.state, nested(CTA_PROTOINFO, [nested(1, [sized(1, 4)])])), 0xff);
  const start = sized(1, 11);
  t.equal(valueAt(ENTRY.start, nested(CTA_TIMESTAMP, [start])), 0);
  t.equal(valueAt(ENTRY.start + 1, nested(CTA_TIMESTAMP, [start])), 0);

  const noPort = nested(CTA_TUPLE_PROTO, [u8(1, protocol), sized(2, 5), be16(3, 443)]);
  t.equal(decodeAttributes(withOriginal(itsAddresses, noPort))?.[ENTRY.discriminator], 443);
  const noNumber = nested(CTA_TUPLE_PROTO, [sized(1, 4), be16(2, 1), be16(3, 443)]);
  t.equal(decodeAttributes(withOriginal(itsAddresses, noNumber)), undefined);
});

t.test('an address is exactly as long as its family says', async (t) => {
  for (const length of [4, 7, 9, 12, 20]) {
    const odd = nested(CTA_TUPLE_IP, [sized(1, length), attribute(2, new Uint8Array(4))]);
    t.equal(decodeAttributes(withOriginal(odd, itsPorts)), undefined, `IPv4 of ${length}`);
  }
  for (const length of [8, 16, 19, 21, 24]) {
    const odd = nested(CTA_TUPLE_IP, [sized(3, length), attribute(4, new Uint8Array(16))]);
    t.equal(
      decodeAttributes(withOriginal(odd, itsPorts), AF_INET6),
      undefined,
      `IPv6 of ${length}`,
    );
  }
});

t.test('addresses of the other family are none', async (t) => {
  t.equal(decodeAttributes(attributesOf(flow()), AF_INET6), undefined);
  t.equal(decodeAttributes(attributesOf(flow6()), AF_INET), undefined);
  const mixed = nested(CTA_TUPLE_IP, [
    attribute(1, new Uint8Array(4)),
    attribute(4, new Uint8Array(16)),
  ]);
  for (const family of [AF_INET, AF_INET6]) {
    const reply = family === AF_INET ? replyTuple(flow()) : replyTuple(flow6());
    t.equal(
      decodeAttributes([nested(CTA_TUPLE_ORIG, [mixed, itsPorts]), reply], family),
      undefined,
    );
  }
});

t.test('an entry of a family that is neither IPv4 nor IPv6 is refused', async (t) => {
  for (const family of [0, 1, 7, 255]) {
    t.equal(decodeAttributes(attributesOf(flow()), family), undefined);
  }
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

/** An attribute of `length` bytes, header included. */
function sized(type: number, length: number): Uint8Array {
  return attribute(type, new Uint8Array(length - 4).fill(9));
}

/** The attribute, saying it is longer than it is. */
function longer(bytes: Uint8Array, length?: number): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  view.setUint16(0, length ?? view.getUint16(0, true) + 4, true);
  return copy;
}
