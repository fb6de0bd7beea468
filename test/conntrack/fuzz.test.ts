import { randomInt } from 'node:crypto';
import t from 'tap';
import { takeSnapshot } from '../../src/agent/take-snapshot.ts';
import { Tally } from '../../src/connections/tally.ts';
import { decodeEntry } from '../../src/conntrack/decode.ts';
import { ENTRY, ENTRY_WORDS } from '../../src/conntrack/entry.ts';
import { StatisticsSum } from '../../src/conntrack/statistics.ts';
import { exchange } from '../../src/netlink/exchange.ts';
import { NetlinkError } from '../../src/netlink/error.ts';
import { CT_NEW, done, message } from '../builders/ctnetlink.ts';
import { AF_INET } from '../builders/flow.ts';
import { mutator, type Mutator } from '../builders/mutator.ts';
import { fakeKernel } from '../fakes/kernel.ts';
import { readCapture } from '../fixtures/read-capture.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';

const HEADER_WORDS = 4;
const ENTRY_MUTATIONS = 60_000;
const DATAGRAM_MUTATIONS = 40_000;

const gateway = readCapture('gateway');
const { sequence, portId } = gateway;
/** To the exchange, those of the client are answers to somebody else. */
const datagrams = [...gateway.datagrams, ...readCapture('client').datagrams];
/** What stands behind the nlmsghdr of each captured entry. */
const payloads = datagrams.flatMap((datagram) => payloadsOf(datagram));

/** The seed is in the name: `FUZZ_SEED=… tap test/conntrack/fuzz.test.ts` repeats a failure. */
const seeds = new Set([1, Number(process.env['FUZZ_SEED'] ?? randomInt(2 ** 31))]);

for (const seed of seeds) {
  t.test(
    `decodeEntry() reads only its own message, whatever that holds (seed ${seed})`,
    async (t) => {
      const mutate = mutator(seed);
      let refused = 0;
      for (let count = 0; count < ENTRY_MUTATIONS / seeds.size; count++) {
        const payload = mutate.of(payloads);
        if (!isDecodedAlone(payload, mutate)) t.fail(`not so for ${hex(payload)}`);
        if (decode(payload) === undefined) refused++;
      }
      t.ok(refused > 1000, 'mutations that are refused');
      t.ok(refused < (ENTRY_MUTATIONS / seeds.size) * 0.9, 'mutations that are not');
    },
  );

  t.test(`exchange() comes to an end, whatever it receives (seed ${seed})`, async (t) => {
    const mutate = mutator(seed);
    const ends = new Map<string, number>();
    for (let count = 0; count < DATAGRAM_MUTATIONS / seeds.size; count++) {
      const mutated = [mutate.of(datagrams), mutate.of(datagrams)];
      try {
        const end = replay(mutated);
        ends.set(end, (ends.get(end) ?? 0) + 1);
      } catch (error) {
        t.fail(`${String(error)} for ${mutated.map(hex).join(' ')}`);
      }
    }
    t.ok(ends.get('whole')! > 100 && ends.get('ETIMEDOUT')! > 100, 'ends of either kind');
  });

  t.test(`a refused message leaves the snapshot as it is without it (seed ${seed})`, async (t) => {
    const mutate = mutator(seed);
    for (let count = 0; count < 200; count++) {
      // Of whole words: what is not loses the framing, and the dump with it.
      const bad = Array.from({ length: 30 }, () => mutate.of(payloads)).filter(
        (payload) => payload.length % 4 === 0 && decode(payload) === undefined,
      );
      const both = [...payloads, ...bad]
        .map((payload, at) => ({ payload, rank: at < payloads.length ? at : mutate.below(at) }))
        .toSorted((a, b) => a.rank - b.rank)
        .map((ranked) => ranked.payload);
      const { malformed, ...counted } = snapshotOf(both);
      const { malformed: none, ...expected } = snapshotOf(payloads);
      if (malformed !== bad.length || none !== 0) t.fail('refused messages are not counted');
      t.strictSame(counted, expected);
    }
  });
}

function payloadsOf(datagram: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  const view = new DataView(datagram.buffer);
  for (let at = 0; at < datagram.length; at += view.getUint32(at, true)) {
    if (view.getUint16(at + 4, true) !== CT_NEW) continue;
    found.push(datagram.slice(at + 4 * HEADER_WORDS, at + view.getUint32(at, true)));
  }
  return found;
}

function wordsOf(payload: Uint8Array): Uint32Array {
  return new Uint32Array(payload.slice(0, payload.length & ~3).buffer);
}

function decode(payload: Uint8Array): string | undefined {
  const words = wordsOf(payload);
  return outcome(words, 0, words.length, 0);
}

/** What is decoded, as text; `left` is what the entry before left behind. */
function outcome(words: Uint32Array, start: number, end: number, left: number): string | undefined {
  const entry = new Uint32Array(ENTRY_WORDS).fill(left);
  if (!decodeEntry(words, start, end, entry)) return undefined;
  // Of an IPv4 address the last three words say nothing.
  const isSaid = (_: number, at: number) =>
    entry[ENTRY.family] !== AF_INET || at < ENTRY.source || (at - ENTRY.source) % 4 === 0;
  return entry.filter(isSaid).join();
}

/** True when neither what stands around the message nor what was decoded before plays a part. */
function isDecodedAlone(payload: Uint8Array, { below }: Mutator): boolean {
  const words = wordsOf(payload);
  const start = 1 + below(8);
  const end = start + words.length;
  const inside = new Uint32Array(end + 8).map(() => below(2 ** 32));
  inside.set(words, start);
  const guarded = new Proxy(inside, {
    get(target, key) {
      const at = Number(key);
      if (!(at >= start && at < end)) throw new RangeError(`word ${String(key)} was read`);
      return target[at];
    },
  });
  return outcome(guarded, start, end, below(2 ** 32)) === outcome(words, 0, words.length, 0);
}

/** How the exchange ended: 'whole', or the code of its NetlinkError. */
function replay(mutated: readonly Uint8Array[]): string {
  let bytes = 0;
  const kernel = fakeKernel(() => mutated);
  const entry = new Uint32Array(ENTRY_WORDS);
  try {
    exchange({
      operation: 'replay mutations',
      transport: { ...kernel, portId, receive: () => (bytes = kernel.receive()) },
      request: new Uint8Array(20),
      sequence,
      answerType: CT_NEW,
      visit: (words, start, end) => {
        if (start < HEADER_WORDS || end < start || end * 4 > bytes) {
          throw new RangeError(`Visited ${start} to ${end} of ${bytes} bytes`);
        }
        return decodeEntry(words, start, end, entry);
      },
      timeoutMs: 1000,
      now: () => 0,
    });
    return 'whole';
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
}

function snapshotOf(entries: readonly Uint8Array[]) {
  const header = { sequence, portId };
  const answers = [...entries.map((payload) => message(CT_NEW, header, payload)), done(header)];
  const { malformed, edges } = takeSnapshot({
    table: {
      dump: (visit) =>
        exchange({
          operation: 'replay entries',
          transport: { ...fakeKernel(() => answers), portId },
          request: new Uint8Array(20),
          sequence,
          answerType: CT_NEW,
          visit,
          timeoutMs: 1000,
          now: () => 0,
        }),
      use: () => ({ entries: 0, limit: undefined }),
      statistics: () => new StatisticsSum().statistics,
    },
    tally: new Tally({ seed: 1 }),
    hashBuckets: () => 1,
    timeouts: () => NO_TIMEOUTS,
    localAddresses: () => [],
    now: () => 0,
  });
  return { malformed, ...edges };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
