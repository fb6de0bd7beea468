import t from 'tap';
import { EntryRows } from '../../src/connections/entry-rows.ts';
import { entryOf, flow, flow6, TIME_WAIT, UDP, type Flow } from '../builders/flow.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';

function rowsOf(flows: readonly Flow[], addressWords = 1): EntryRows {
  const rows = new EntryRows(addressWords);
  rows.clear(NO_TIMEOUTS);
  for (const one of flows) rows.add(entryOf(one));
  return rows;
}

function isSame(different: Partial<Flow>): boolean {
  return rowsOf([flow()]).isSame(0, rowsOf([flow(different)]), 0);
}

function isSameRoute(different: Partial<Flow>): boolean {
  return rowsOf([flow()]).isSameRoute(0, rowsOf([flow(different)]), 0);
}

t.test('two rows are the same when id, original tuple and zone are', async (t) => {
  t.ok(isSame({ state: TIME_WAIT, backend: '10.1.0.33', replyTo: '192.168.1.2', start: 5n }));
  for (const different of [
    { id: 1 },
    { zone: 1 },
    { protocol: UDP },
    { sourcePort: 1 },
    { destinationPort: 1 },
    { source: '10.1.0.12' },
    { destination: '10.1.0.23' },
  ]) {
    t.notOk(isSame(different), JSON.stringify(different));
  }
});

t.test('every word of an IPv6 address tells rows apart', async (t) => {
  const rows = rowsOf([flow6()], 4);
  t.ok(rows.isSame(0, rowsOf([flow6()], 4), 0));
  for (const source of ['fd01:10::11', 'fd00:10:0:1::11', 'fd00:10::1:0:11', 'fd00:10::12']) {
    t.notOk(rows.isSame(0, rowsOf([flow6({ source })], 4), 0), source);
  }
});

t.test('two rows have the same route when backend and translation are the same', async (t) => {
  t.ok(isSameRoute({ state: TIME_WAIT, replyPort: 5 }));
  t.notOk(isSameRoute({ backend: '10.1.0.33' }));
  t.notOk(isSameRoute({ backendPort: 8443 }));
  t.notOk(isSameRoute({ replyTo: '192.168.1.2' }));
});

t.test('rows past the first thousand keep what they were given', async (t) => {
  const flows = Array.from({ length: 5000 }, (_, at) =>
    flow({ id: at, state: at % 10, start: BigInt(at) << 33n, packets: [BigInt(at), 1n] }),
  );
  const rows = rowsOf(flows);
  t.equal(rows.count, 5000);
  const wrong = flows.filter(
    ({ id }, row) =>
      rows.words[row * rows.stride] !== id ||
      rows.stateSlot(row) !== id % 10 ||
      rows.starts.get(row, 0) !== id * 2 ** 33 ||
      rows.packets(row) !== id + 1,
  );
  t.strictSame(wrong, []);
});

t.test('rows that are cleared leave no start and no packets behind', async (t) => {
  const rows = rowsOf([flow({ start: 1n << 40n, packets: [3n, 4n] })]);
  rows.clear(NO_TIMEOUTS);
  rows.add(entryOf(flow()));
  t.equal(rows.count, 1);
  t.equal(rows.starts.get(0, 0), 0);
  t.equal(rows.packets(0), 0);
});

t.test('packets of one direction alone are counted', async (t) => {
  const packets = [
    [5n, 0n],
    [0n, 6n],
    [1n << 40n, 1n],
  ] as const;
  const rows = rowsOf(packets.map((counts) => flow({ packets: counts })));
  t.strictSame(
    [0, 1, 2].map((row) => rows.packets(row)),
    [5, 6, 2 ** 40 + 1],
  );
});
