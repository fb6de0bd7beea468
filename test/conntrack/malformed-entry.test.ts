import t from 'tap';
import { ENTRY } from '../../src/conntrack/entry.ts';
import {
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
  CTA_ZONE,
  entryPayload,
  nested,
  originalTuple,
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
import { AF_INET, AF_INET6, flow, flow6 } from '../builders/flow.ts';

const { protocol, sourcePort, destinationPort } = tcp;

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
