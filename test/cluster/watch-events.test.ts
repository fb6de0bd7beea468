import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import { ApiError } from '../../src/cluster/api-connection.ts';
import { watchEvents, type WatchEvent } from '../../src/cluster/watch-events.ts';

const MEBIBYTE = 1024 * 1024;

async function read(chunks: Iterable<Buffer>): Promise<WatchEvent[]> {
  async function* body(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  return Array.fromAsync(watchEvents(body()));
}

t.test('however a watch is cut into pieces, its events are the same', async () => {
  const text = fc.string({ unit: 'grapheme' });
  const event = fc.record(
    {
      type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'),
      object: fc.dictionary(text, text, { noNullPrototype: true }),
    },
    { noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event), fc.array(fc.nat()), async (events, cuts) => {
      const bytes = Buffer.from(events.map((each) => `${JSON.stringify(each)}\n`).join(''));
      const ends = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
      const chunks = [0, ...ends].map((start, index) => bytes.subarray(start, ends[index]));
      deepStrictEqual(await read(chunks), events);
    }),
  );
});

t.test('empty lines are no events', async (t) => {
  t.strictSame(await read([Buffer.from('\n\n')]), []);
});

t.test('a line that does not end is given up before it fills the memory', async (t) => {
  let pieces = 0;
  function* endless(): Generator<Buffer> {
    for (;;) {
      pieces++;
      yield Buffer.alloc(MEBIBYTE, 'x');
    }
  }
  await t.rejects(read(endless()), { name: 'MalformedEvent', message: /more than 16777216 bytes/ });
  t.equal(pieces, 17);
});

function errorLine(object: object): Buffer[] {
  return [Buffer.from(`${JSON.stringify({ type: 'ERROR', object })}\n`)];
}

t.test('an ERROR event is thrown with its code', async (t) => {
  await t.rejects(read(errorLine({ code: 410, message: 'too old' })), {
    status: 410,
    message: /too old/,
  });
  await t.rejects(read(errorLine({})), new ApiError('watch: 500 ', { status: 500 }));
});
