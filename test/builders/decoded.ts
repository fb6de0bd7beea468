import { decodeEntry } from '../../src/conntrack/decode.ts';
import { ENTRY, ENTRY_WORDS } from '../../src/conntrack/entry.ts';
import {
  addresses,
  attributesOf,
  concat,
  CTA_TUPLE_ORIG,
  generic,
  nested,
  protocolPart,
  replyTuple,
} from './ctnetlink.ts';
import { AF_INET, flow } from './flow.ts';

/** Nothing of it may show in what is decoded next. */
const GARBAGE = 0xdead_beef;

/** The entry that a payload holds, or undefined when it is refused. */
export function decode(payload: Uint8Array): Uint32Array | undefined {
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

/** The same, from attributes. */
export function decodeAttributes(
  attributes: readonly Uint8Array[],
  family = AF_INET,
): Uint32Array | undefined {
  return decode(concat([generic(family), ...attributes]));
}

/** An entry with everything, and its parts. */
export const tcp = flow({
  zone: 7,
  start: 1_790_000_000_123_456_789n,
  packets: [12n, 1n << 40n],
  bytes: [1n << 41n, 99n],
  timeout: 86_000,
  tcpFlags: [0x27, 0x33],
});
export const others = attributesOf(tcp).slice(2);
const { source, destination, protocol, sourcePort, destinationPort } = tcp;
export const itsAddresses = addresses(source, destination);
export const itsPorts = protocolPart(protocol, sourcePort, destinationPort);
/** CTA_TUPLE_ORIG of other parts, with all else in order. */
export const withOriginal = (...parts: Uint8Array[]) => [
  nested(CTA_TUPLE_ORIG, parts),
  replyTuple(tcp),
  ...others,
];
