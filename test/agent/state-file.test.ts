import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import {
  parseState,
  STATE_VERSION,
  StateWriter,
  UnusableState,
  type StateBlock,
} from '../../src/agent/state-file.ts';

/** Blocks as a test compares them. */
function textOf(blocks: readonly StateBlock[]): readonly string[] {
  return blocks.map(({ name, bytes }) => `${name} ${Buffer.from(bytes).toString('latin1')}`);
}

function written(
  path: string,
  blocks: readonly (readonly [string, Buffer])[],
): Buffer<ArrayBuffer> {
  using writer = new StateWriter(path);
  for (const [name, bytes] of blocks) writer.block(name, bytes);
  writer.commit();
  return readFileSync(path);
}

const anyBlocks = fc.array(
  fc.tuple(
    fc.constantFrom('ledger', 'ipv4.words', 'ipv6.starts'),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  ),
  { maxLength: 5 },
);

/** Where two newlines, two digits and the like meet the format's own lines. */
const FEW_BLOCKS = [
  ['ledger', Buffer.from('{"a":1}\nend 0\n')],
  ['ipv4.words', Buffer.from([0, 0x0a, 0xff, 0x30, 0x0a])],
  ['ipv4.starts', Buffer.alloc(0)],
] as const;

t.test('a state is read as it was written, whatever is in its blocks', async (t) => {
  const path = join(t.testdir(), 'state');
  fc.assert(
    fc.property(anyBlocks, (blocks) => {
      const expected = blocks.map(([name, bytes]) => `${name} ${bytes.toString('latin1')}`);
      assert.deepEqual(textOf(parseState(written(path, blocks))), expected);
    }),
    { numRuns: 50 },
  );
});

t.test('the parts of a block are one behind the other', async (t) => {
  const path = join(t.testdir(), 'state');
  using writer = new StateWriter(path);
  writer.block('ledger', Buffer.from('ab'), Buffer.from('c'));
  writer.commit();
  t.strictSame(textOf(parseState(readFileSync(path))), ['ledger abc']);
  t.equal(writer.bytes, readFileSync(path).length);
});

t.test('a state that is cut off at any byte is refused', async (t) => {
  const file = written(join(t.testdir(), 'state'), FEW_BLOCKS);
  t.equal(parseState(file).length, FEW_BLOCKS.length);
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => parseState(file.subarray(0, length)), UnusableState, `${length} bytes`);
  }
});

t.test('a state with any bit flipped is refused', async (t) => {
  const file = written(join(t.testdir(), 'state'), FEW_BLOCKS);
  t.equal(parseState(file).length, FEW_BLOCKS.length);
  for (let bit = 0; bit < file.length * 8; bit++) {
    const flipped = Buffer.from(file);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => parseState(flipped), UnusableState, `bit ${bit}`);
  }
});

t.test('any damage is refused, and nothing else is thrown', async (t) => {
  const file = written(join(t.testdir(), 'state'), FEW_BLOCKS);
  const anyPlace = fc.nat(file.length);
  fc.assert(
    fc.property(anyPlace, anyPlace, fc.uint8Array({ maxLength: 40 }), (from, to, bytes) => {
      const damaged = Buffer.concat([file.subarray(0, from), bytes, file.subarray(to)]);
      if (!damaged.equals(file)) assert.throws(() => parseState(damaged), UnusableState);
    }),
    { numRuns: 500 },
  );
});

t.test('blocks that were left out or changed places are missed', async (t) => {
  const file = written(join(t.testdir(), 'state'), FEW_BLOCKS);
  const startOf = (name: string): number => file.lastIndexOf(`${name} `);
  const [ledger, words, empty, end] = [
    file.indexOf('ledger '),
    startOf('ipv4.words'),
    startOf('ipv4.starts'),
    startOf('\nend') + 1,
  ] as const;
  const part = (from: number, to?: number) => file.subarray(from, to);
  const without = Buffer.concat([part(0, words), part(empty)]);
  const swapped = [part(0, ledger), part(words, empty), part(ledger, words), part(empty)];
  t.throws(() => parseState(without), /damaged/);
  t.throws(() => parseState(Buffer.concat(swapped)), /damaged/);
  t.throws(() => parseState(Buffer.concat([part(0, end), part(end), part(end)])), /damaged/);
});

t.test('what is not a state, or of another version, is named', async (t) => {
  t.throws(() => parseState(Buffer.from('\x7fELF and so on\n')), /not a state of an agent of khan/);
  t.throws(() => parseState(Buffer.alloc(10_000)), /not a state of an agent of khan/);
  const file = written(join(t.testdir(), 'state'), FEW_BLOCKS).toString('latin1');
  const newer = file.replace(`state ${STATE_VERSION}\n`, `state ${STATE_VERSION + 1}\n`);
  t.throws(() => parseState(Buffer.from(newer, 'latin1')), /version 2, this khan knows version 1/);
});

t.test('the last state stays as long as the next one is not whole', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'state');
  written(path, [['ledger', Buffer.from('first')]]);
  {
    using writer = new StateWriter(path);
    writer.block('ledger', Buffer.from('second'));
    t.strictSame(textOf(parseState(readFileSync(path))), ['ledger first']);
  }
  t.strictSame(textOf(parseState(readFileSync(path))), ['ledger first']);
  t.strictSame(readdirSync(folder), ['state'], 'and nothing is left of the other');
});

t.test('what a killed writer left behind is written over', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'state');
  writeFileSync(`${path}.new`, Buffer.alloc(100_000, 'x'));
  const file = written(path, [['ledger', Buffer.from('whole')]]);
  t.strictSame(textOf(parseState(file)), ['ledger whole']);
  t.strictSame(readdirSync(folder), ['state']);
});

t.test('nobody else may read a state', async (t) => {
  const path = join(t.testdir(), 'state');
  written(path, FEW_BLOCKS);
  t.equal(statSync(path).mode & 0o777, 0o600);
});
