import { constants } from 'node:os';
import t from 'tap';
import { exchange, type ExchangeResult } from '../../src/netlink/exchange.ts';
import { nfnetlinkRequest } from '../../src/netlink/message.ts';
import {
  concat,
  CT_DELETE,
  CT_NEW,
  done,
  error,
  message,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
  NLMSG_OVERRUN,
} from '../builders/ctnetlink.ts';
import { fakeKernel, PORT_ID, type Reception } from '../fakes/kernel.ts';

const { EAGAIN, EINTR, ENOBUFS, ENETDOWN } = constants.errno;
const SEQUENCE = 0x8000_0001;
const BUFFER_BYTES = 64 * 1024;

const header = { sequence: SEQUENCE, portId: PORT_ID };
const end = done(header);
/** A message that holds nothing but a number. */
const numbered = (number: number, different = {}) =>
  message(CT_NEW, { ...header, ...different }, Uint8Array.of(number, 0, 0, 0));

/** Dumps from a kernel that gives these receptions; what was visited comes along. */
function dumpOf(
  receptions: readonly Reception[],
  options: { readonly refuses?: number; readonly now?: () => number } = {},
): ExchangeResult & { readonly visited: readonly number[] } {
  const { refuses, ...rest } = options;
  const visited: number[] = [];
  const result = exchange({
    operation: 'read the table',
    transport: fakeKernel(() => receptions),
    request: nfnetlinkRequest({ type: 0x101, flags: 0x301, sequence: SEQUENCE, family: 0 }),
    sequence: SEQUENCE,
    answerType: CT_NEW,
    visit: (words, start, stop) => {
      t.equal(stop - start, 1);
      visited.push(words[start]!);
      return words[start] !== refuses;
    },
    timeoutMs: 1000,
    ...rest,
  });
  return { ...result, visited };
}

const whole = { malformed: 0, interrupted: false };

t.test('an exchange visits every message up to NLMSG_DONE', async (t) => {
  const receptions = [concat([numbered(1), numbered(2)]), numbered(3), end];
  t.strictSame(dumpOf(receptions), { ...whole, visited: [1, 2, 3] });
  t.strictSame(dumpOf([concat([numbered(1), end, numbered(9)])]), { ...whole, visited: [1] });
  t.strictSame(dumpOf([end]), { ...whole, visited: [] });
});

t.test('NLMSG_DONE without a payload is an end too', async (t) => {
  t.strictSame(dumpOf([message(NLMSG_DONE, header, new Uint8Array())]), { ...whole, visited: [] });
});

t.test('an acknowledgement, NLMSG_ERROR with 0, is an end', async (t) => {
  t.strictSame(dumpOf([numbered(1), error(header, 0)]), { ...whole, visited: [1] });
});

t.test(
  'an error of the kernel is thrown by its name, from NLMSG_ERROR and from NLMSG_DONE',
  async (t) => {
    const refused = {
      name: 'NetlinkError',
      message: 'Cannot read the table: EPERM',
      code: 'EPERM',
    };
    t.throws(() => dumpOf([error(header, -constants.errno.EPERM)]), refused);
    t.throws(() => dumpOf([numbered(1), done(header, -constants.errno.EPERM)]), refused);
    t.throws(() => dumpOf([done(header, -1234)]), { code: 'E1234' });
  },
);

t.test('NLMSG_ERROR without an errno is a protocol error', async (t) => {
  t.throws(() => dumpOf([message(NLMSG_ERROR, header, new Uint8Array())]), { code: 'EPROTO' });
});

t.test('a request that cannot be sent is an error', async (t) => {
  const transport = { ...fakeKernel(() => [end]), send: () => -ENOBUFS };
  const dump = () =>
    exchange({
      operation: 'read the table',
      transport,
      request: new Uint8Array(20),
      sequence: 1,
      answerType: CT_NEW,
      visit: () => true,
      timeoutMs: 1000,
    });
  t.throws(dump, { code: 'ENOBUFS', operation: 'read the table' });
});

t.test('a call that a signal interrupted is repeated', async (t) => {
  const receptions = [-EINTR, numbered(1), -EINTR, -EINTR, end];
  t.strictSame(dumpOf(receptions), { ...whole, visited: [1] });
});

t.test('silence before the end is a timeout', async (t) => {
  t.throws(() => dumpOf([numbered(1), -EAGAIN, end]), { code: 'ETIMEDOUT' });
  t.throws(() => dumpOf([]), { code: 'ETIMEDOUT' });
});

t.test('an answer that does not end in time is a timeout, however lively it is', async (t) => {
  const lively = Array.from({ length: 2000 }, () => numbered(1));
  let time = 0;
  const now = () => time++;
  t.equal(dumpOf([...lively.slice(0, 900), end], { now }).visited.length, 900);
  t.throws(() => dumpOf([...lively, end], { now }), { code: 'ETIMEDOUT' });
});

t.test('signals without end do not hold an exchange for ever', async (t) => {
  let time = 0;
  const signals = Array.from({ length: 2000 }, () => -EINTR);
  t.throws(() => dumpOf([...signals, end], { now: () => time++ }), { code: 'ETIMEDOUT' });
});

t.test('an errno of recv() is thrown', async (t) => {
  t.throws(() => dumpOf([numbered(1), -ENETDOWN]), { code: 'ENETDOWN' });
  t.throws(() => dumpOf([-ENOBUFS]), { code: 'ENOBUFS' });
});

t.test('a datagram that may have been cut off is never parsed', async (t) => {
  const cut = new Uint8Array(BUFFER_BYTES);
  cut.set(numbered(1));
  t.throws(() => dumpOf([cut, end]), { code: 'EMSGSIZE' });
  t.throws(() => dumpOf([new Uint8Array(), end]), { code: 'EMSGSIZE' });
});

t.test('messages with another sequence number or port id are passed over', async (t) => {
  const receptions = [
    concat([
      numbered(1),
      numbered(2, { sequence: SEQUENCE - 1 }),
      numbered(3, { sequence: 0 }),
      numbered(4, { portId: 0 }),
      done({ ...header, sequence: SEQUENCE + 1 }),
      error({ ...header, sequence: 0 }, -1),
      done({ ...header, portId: 1 }),
      message(NLMSG_OVERRUN, { sequence: 0, portId: 0 }, new Uint8Array()),
      numbered(6, { sequence: 7, flags: NLM_F_DUMP_INTR }),
      numbered(5),
    ]),
    end,
  ];
  t.strictSame(dumpOf(receptions), { ...whole, visited: [1, 5] });
});

t.test('messages of another type are passed over', async (t) => {
  const others = [NLMSG_NOOP, CT_DELETE, 0x7ff].map((type) =>
    message(type, header, new Uint8Array(8)),
  );
  t.strictSame(dumpOf([concat([...others, numbered(1), end])]), { ...whole, visited: [1] });
});

t.test('NLM_F_DUMP_INTR and NLMSG_OVERRUN mark the answer as interrupted', async (t) => {
  const interrupted = { malformed: 0, interrupted: true };
  const flagged = numbered(1, { flags: NLM_F_DUMP_INTR });
  t.strictSame(dumpOf([flagged, numbered(2), end]), { ...interrupted, visited: [1, 2] });
  t.strictSame(dumpOf([done({ ...header, flags: NLM_F_DUMP_INTR })]), {
    ...interrupted,
    visited: [],
  });
  const overrun = message(NLMSG_OVERRUN, header, new Uint8Array());
  t.strictSame(dumpOf([concat([overrun, numbered(1), end])]), { ...interrupted, visited: [1] });
});

t.test('a message that the visitor refuses is counted, and the next one is visited', async (t) => {
  const receptions = [concat([numbered(1), numbered(2), numbered(3)]), end];
  t.strictSame(dumpOf(receptions, { refuses: 2 }), {
    malformed: 1,
    interrupted: false,
    visited: [1, 2, 3],
  });
});

t.test(
  'a message length is checked before any arithmetic, and without it the answer is not whole',
  async (t) => {
    // (0xffffffff + 3) >>> 2 is 0: a loop that steps by it never ends.
    for (const length of [0, 4, 15, 21, 0x7fff_ffff, 0x8000_0000, 0xffff_fffd, 0xffff_ffff]) {
      const receptions = [concat([numbered(1), numbered(2, { length })]), numbered(3), end];
      t.strictSame(
        dumpOf(receptions),
        { malformed: 1, interrupted: true, visited: [1, 3] },
        `0x${length.toString(16)}`,
      );
    }
  },
);

t.test('what is behind the bytes that were received is not read', async (t) => {
  // The long datagram is still in the buffer when the short ones come.
  const receptions = [
    concat([numbered(1), numbered(2), numbered(3)]),
    numbered(4),
    numbered(5).slice(0, 18),
    numbered(5, { length: 18 }).slice(0, 18),
    numbered(6).slice(0, 3),
    end,
  ];
  t.strictSame(dumpOf(receptions), { malformed: 2, interrupted: true, visited: [1, 2, 3, 4] });
});
