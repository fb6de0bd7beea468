import t from 'tap';
import { readState } from '../../src/agent/loaded-state.ts';
import { UnusableState, type StateBlock } from '../../src/agent/state-file.ts';
import { blocksOf } from '../../src/agent/state-records.ts';

const TERMS = { node: 'node-a', networkNamespace: '4:1', boot: 'b', settings: {} };
const HEAD = {
  ...TERMS,
  khan: '0.1.0',
  instance: 'one',
  takenAtMs: 1000,
  localAddresses: ['10.0.0.1'],
  lastTakeover: 3,
};
const SERIES = {
  labels: { node: 'node-a', dst_port: 80, primary: true },
  startTimeMs: 900,
  publishedAtMs: 1000,
  seenAtMs: 1000,
  counters: { opened: 5, closed: 3 },
};
const ROWS = { name: 'ipv4.words', bytes: new Uint8Array([1, 2, 3, 4]) };

function blocks(records: Readonly<Record<string, readonly object[]>>): readonly StateBlock[] {
  const all = Object.entries(records).flatMap(([name, some]) => [...blocksOf(name, some)]);
  return [...all, ROWS];
}

function read(records: Readonly<Record<string, readonly object[]>>) {
  return readState(blocks(records), TERMS, 2000);
}

t.test('a state is read in pieces for those that go on from it', async (t) => {
  const owner = { address: '10.0.0.1', identity: { type: 'node', name: 'node-a' } };
  const state = read({ head: [HEAD], owners: [owner], series: [SERIES, SERIES] });
  t.match(state, {
    kind: 'state',
    takenAtMs: 1000,
    lastTakeover: 3,
    owners: [owner],
    formerOwners: [],
    series: [SERIES, SERIES],
    columns: [ROWS],
  });
});

t.test('many records are in many blocks', async (t) => {
  const many = Array.from({ length: 3000 }, (_, port) => {
    return { ...SERIES, labels: { ...SERIES.labels, dst_port: port } };
  });
  t.ok([...blocksOf('series', many)].length > 1);
  t.match(read({ head: [HEAD], series: many }), { series: many });
  t.strictSame([...blocksOf('series', [])], []);
});

t.test('rows are in a buffer of their own, which can be given away', async (t) => {
  const state = read({ head: [HEAD] });
  if (state.kind !== 'state') throw new Error('it fits');
  t.not(state.columns[0]?.bytes.buffer, ROWS.bytes.buffer);
});

t.test('of what does not fit only the head is read', async (t) => {
  t.match(read({ head: [{ ...HEAD, node: 'node-b' }], series: [{}] }), { kind: 'misfit' });
});

t.test('what is not what it should be is named', async (t) => {
  const faulty: readonly (readonly [RegExp, Parameters<typeof read>[0]])[] = [
    [/it has no head/, {}],
    [/head\.boot: missing/, { head: [{ ...HEAD, boot: undefined }] }],
    [/series\.counters\.opened: must be a whole number/, { head: [HEAD], series: [faultyCount()] }],
    [/as labels/, { head: [HEAD], series: [{ ...SERIES, labels: { node: ['a'] } }] }],
    [/owners\.identity: missing/, { head: [HEAD], owners: [{ address: '10.0.0.1' }] }],
    [
      /clients\.seenAtMs: must be/,
      { head: [HEAD], clients: [{ client: 'a', scrapedAtMs: 1, seenAtMs: null }] },
    ],
  ];
  for (const [message, records] of faulty) {
    const error = t.throws(() => read(records), UnusableState);
    t.match(Object(error).message, message);
  }
  const notJson = { name: 'head', bytes: new TextEncoder().encode('{\n') };
  t.throws(() => readState([notJson], TERMS, 2000), UnusableState);
});

function faultyCount() {
  return { ...SERIES, counters: { opened: -1 } };
}
