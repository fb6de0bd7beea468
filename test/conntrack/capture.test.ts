import t from 'tap';
import { decodeEntry } from '../../src/conntrack/decode.ts';
import { ENTRY, ENTRY_WORDS } from '../../src/conntrack/entry.ts';
import { stateName, stateSlot } from '../../src/conntrack/state.ts';
import { formatAddress } from '../../src/net/address.ts';
import { exchange } from '../../src/netlink/exchange.ts';
import { CT_NEW } from '../builders/ctnetlink.ts';
import {
  AF_INET,
  GRE,
  ICMP,
  ICMPV6,
  IPS_ASSURED,
  IPS_SEEN_REPLY,
  TCP,
  UDP,
} from '../builders/flow.ts';
import { fakeKernel } from '../fakes/kernel.ts';
import { readCapture, type Capture } from '../fixtures/read-capture.ts';

const SCTP = 132;
const UNKNOWN_PROTOCOL = 253;

/** What stands in a line of conntrack(8) and in an entry. */
const COMMON =
  /^([A-Z][A-Z_0-9]+|\[(UNREPLIED|ASSURED)\]|(src|dst|[sd]port|type|code|id|packets|zone)=.*)$/;

for (const name of ['gateway', 'client'] as const) {
  t.test(`the table of the ${name} is decoded as conntrack(8) printed it`, async (t) => {
    const capture = readCapture(name);
    const decoded = entriesOf(capture).map(describe);
    t.ok(decoded.length > 15);
    t.strictSame(decoded.toSorted(), capture.lines.map(normalized).toSorted());
  });
}

t.test('the captures hold what they are meant to hold', async (t) => {
  const all = [...entriesOf(readCapture('gateway')), ...entriesOf(readCapture('client'))];
  const has = (matches: (entry: Uint32Array) => boolean) => all.some(matches);
  for (const protocol of [ICMP, TCP, UDP, GRE, ICMPV6, SCTP, UNKNOWN_PROTOCOL]) {
    t.ok(
      has((entry) => entry[ENTRY.protocol] === protocol),
      `protocol ${protocol}`,
    );
  }
  for (const state of [1, 2, 3, 5, 7, 8]) {
    t.ok(
      has((entry) => entry[ENTRY.protocol] === TCP && entry[ENTRY.state] === state),
      stateName(TCP, state),
    );
  }
  t.ok(
    has((entry) => entry[ENTRY.zone] === 7),
    'a zone',
  );
  t.ok(
    has((entry) => entry[ENTRY.source] !== entry[ENTRY.replyDestination]),
    'masquerade',
  );
  t.ok(
    has((entry) => entry[ENTRY.destination] !== entry[ENTRY.replySource]),
    'DNAT',
  );
  t.ok(
    has((entry) => entry[ENTRY.start] !== 0 && entry[ENTRY.packetsOriginal + 1] !== 0),
    'timestamps and packets',
  );
});

function entriesOf({ datagrams, sequence, portId }: Capture): Uint32Array[] {
  const entries: Uint32Array[] = [];
  const { malformed } = exchange({
    operation: 'replay a capture',
    transport: { ...fakeKernel(() => datagrams), portId },
    request: new Uint8Array(20),
    sequence,
    answerType: CT_NEW,
    visit: (words, start, end) => {
      const entry = new Uint32Array(ENTRY_WORDS);
      const isDecoded = decodeEntry(words, start, end, entry);
      entries.push(entry);
      return isDecoded;
    },
    timeoutMs: 1000,
  });
  t.equal(malformed, 0);
  return entries;
}

/** A line of conntrack(8), without what we do not decode and what only its reader needs. */
function normalized(line: string): string {
  const [, family, , protocol, _timeout, ...words] = line.trim().split(/\s+/);
  const started = /\[start=([^\]]+)\]/.exec(line)?.[1];
  return [
    `family=${family}`,
    `protocol=${protocol}`,
    ...words.filter((word) => COMMON.test(word)),
    ...(started === undefined ? [] : [`start=${Date.parse(`${started} UTC`) / 1000}`]),
  ].join(' ');
}

/** An entry as normalized() leaves a line. */
function describe(entry: Uint32Array): string {
  const at = (offset: number) => entry[offset]!;
  const protocol = at(ENTRY.protocol);
  const status = at(ENTRY.status);
  const state = stateName(protocol, stateSlot(protocol, at(ENTRY.state), status));
  const start = BigInt(at(ENTRY.start)) * 2n ** 32n + BigInt(at(ENTRY.start + 1));
  const isCounted = start !== 0n;
  return [
    `family=${at(ENTRY.family)}`,
    `protocol=${protocol}`,
    ...(at(ENTRY.state) === 0xff ? [] : [state]),
    `src=${addressAt(entry, ENTRY.source)}`,
    `dst=${addressAt(entry, ENTRY.destination)}`,
    ...portsOf(protocol, at(ENTRY.discriminator)),
    ...(isCounted ? [`packets=${at(ENTRY.packetsOriginal + 1)}`] : []),
    ...((status & IPS_SEEN_REPLY) === 0 ? ['[UNREPLIED]'] : []),
    `src=${addressAt(entry, ENTRY.replySource)}`,
    `dst=${addressAt(entry, ENTRY.replyDestination)}`,
    ...portsOf(protocol, at(ENTRY.replyDiscriminator)),
    ...(isCounted ? [`packets=${at(ENTRY.packetsReply + 1)}`] : []),
    ...((status & IPS_ASSURED) === 0 ? [] : ['[ASSURED]']),
    ...(at(ENTRY.zone) === 0 ? [] : [`zone=${at(ENTRY.zone)}`]),
    `id=${at(ENTRY.id)}`,
    ...(start === 0n ? [] : [`start=${start / 1_000_000_000n}`]),
  ].join(' ');
}

function portsOf(protocol: number, discriminator: number): string[] {
  const upper = discriminator >>> 16;
  const lower = discriminator & 0xffff;
  if (protocol === ICMP || protocol === ICMPV6) {
    return [`type=${lower >>> 8}`, `code=${lower & 0xff}`, `id=${upper}`];
  }
  if (protocol === GRE || protocol === UNKNOWN_PROTOCOL) return [];
  return [`sport=${upper}`, `dport=${lower}`];
}

function addressAt(entry: Uint32Array, offset: number): string {
  const bytes = entry[ENTRY.family] === AF_INET ? 4 : 16;
  return formatAddress(new Uint8Array(entry.buffer, offset * 4, bytes));
}
