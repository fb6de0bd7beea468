import { constants } from 'node:os';
import t from 'tap';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import type { Transport } from '../../src/netlink/exchange.ts';
import {
  be32,
  concat,
  CT_GET_STATS,
  done,
  entryMessage,
  error,
  generic,
  message,
  tableUse,
} from '../builders/ctnetlink.ts';
import { flow } from '../builders/flow.ts';
import { fakeKernel, type Reception, type Request } from '../fakes/kernel.ts';

const GET = 0x101;
const CT_GET_STATS_CPU = 0x104;
const REQUEST_AND_DUMP = 0x301;
const REQUEST_AND_ACK = 0x05;

/** A table, the sockets it opened in their order, and the requests it made. */
function tableOn(answer: (request: Request) => readonly Reception[]) {
  const requests: Request[] = [];
  const sockets: { closed: boolean }[] = [];
  const open = (): Transport & Disposable => {
    const socket = { closed: false };
    sockets.push(socket);
    const kernel = fakeKernel((request) => {
      requests.push(request);
      return answer(request);
    });
    return { ...kernel, [Symbol.dispose]: () => void (socket.closed = true) };
  };
  return { table: new ConntrackTable(open), requests, sockets };
}

function dump(table: ConntrackTable): number {
  let entries = 0;
  table.dump(() => {
    entries++;
    return true;
  });
  return entries;
}

function refuse(): never {
  throw new Error('no');
}

t.test('a dump asks for both families at once and visits every entry', async (t) => {
  const { table, requests } = tableOn((request) => [
    concat([entryMessage(request, flow()), entryMessage(request, flow({ id: 2 }))]),
    done(request),
  ]);
  t.equal(dump(table), 2);
  t.match(requests, [{ type: GET, flags: REQUEST_AND_DUMP }]);
});

t.test('one socket serves every exchange, and is opened with the first', async (t) => {
  const { table, sockets } = tableOn((request) => [done(request)]);
  t.equal(sockets.length, 0);
  dump(table);
  dump(table);
  t.strictSame(sockets, [{ closed: false }]);
  table[Symbol.dispose]();
  t.strictSame(sockets, [{ closed: true }]);
});

t.test('no request has the sequence number of events, 0, and no two have the same', async (t) => {
  const { table, requests } = tableOn((request) => [done(request)]);
  for (let count = 0; count < 5; count++) dump(table);
  t.strictSame(
    requests.map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5],
  );
});

t.test('after a failure the socket is closed, and the next exchange opens another', async (t) => {
  const failures: Reception[][] = [
    [-constants.errno.ENOBUFS],
    [-constants.errno.EAGAIN],
    [new Uint8Array()],
  ];
  const { table, sockets } = tableOn((request) => failures.shift() ?? [done(request)]);
  for (const code of ['ENOBUFS', 'ETIMEDOUT', 'EMSGSIZE']) t.throws(() => dump(table), { code });
  t.strictSame(sockets, [{ closed: true }, { closed: true }, { closed: true }]);
  t.equal(dump(table), 0);
  t.strictSame(sockets.at(3), { closed: false });
});

t.test('what a failed exchange left behind is not taken for the next answer', async (t) => {
  let first: Request | undefined;
  const { table } = tableOn((request) => {
    first ??= request;
    if (first === request) return [-constants.errno.EAGAIN];
    return [entryMessage(first, flow()), done(first), entryMessage(request, flow()), done(request)];
  });
  t.throws(() => dump(table), { code: 'ETIMEDOUT' });
  t.equal(dump(table), 1);
});

t.test('a visitor that throws closes the socket, for the kernel is still dumping', async (t) => {
  const { table, sockets } = tableOn((request) => [entryMessage(request, flow()), done(request)]);
  t.throws(() => table.dump(refuse), { message: 'no' });
  t.strictSame(sockets, [{ closed: true }]);
});

t.test('a socket that cannot be opened is an error, and is tried again', async (t) => {
  let attempts = 0;
  const table = new ConntrackTable(() => {
    if (attempts++ === 0) throw new Error('no netlink here');
    return fakeKernel((request) => [done(request)]);
  });
  t.throws(() => dump(table), { message: 'no netlink here' });
  t.equal(dump(table), 0);
});

t.test('use() tells the entries and the limit of the table', async (t) => {
  const { table, requests } = tableOn((request) => [
    tableUse(request, 0x8000_0001, 0xffff_ffff),
    error(request, 0),
  ]);
  t.strictSame(table.use(), { entries: 0x8000_0001, limit: 0xffff_ffff });
  t.match(requests, [{ type: CT_GET_STATS, flags: REQUEST_AND_ACK }]);
});

t.test('use() has no limit where the kernel tells none', async (t) => {
  const entries = Uint8Array.of(8, 0, 1, 0, 0, 0, 0, 5);
  const { table } = tableOn((request) => [
    message(CT_GET_STATS, { ...request, flags: 0 }, concat([generic(0), entries])),
    error(request, 0),
  ]);
  t.strictSame(table.use(), { entries: 5, limit: undefined });
});

t.test('statistics() tells what the kernel has counted since the first call', async (t) => {
  let drops = 7;
  const { table, requests } = tableOn((request) => [
    message(CT_GET_STATS_CPU, { ...request, flags: 0 }, concat([generic(0), be32(10, drops++)])),
    done(request),
  ]);
  t.match(table.statistics(), { drop: 0 });
  t.match(table.statistics(), { drop: 1 });
  t.match(requests, [
    { type: CT_GET_STATS_CPU, flags: REQUEST_AND_DUMP },
    { type: CT_GET_STATS_CPU, flags: REQUEST_AND_DUMP },
  ]);
});

t.test('use() throws what the kernel refuses', async (t) => {
  const { table, sockets } = tableOn((request) => [error(request, -constants.errno.EPERM)]);
  t.throws(() => table.use(), {
    message: 'Cannot read the use of the connection tracking table: EPERM',
  });
  t.strictSame(sockets, [{ closed: true }]);
});
