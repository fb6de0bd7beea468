import t from 'tap';
import { ChunkPool } from '../../src/telemetry/chunk-pool.ts';

/** A part of each chunk, as a page has them. */
function partsOf(chunks: readonly Buffer[]): Uint8Array[] {
  return chunks.map((chunk) => chunk.subarray(0, 3));
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.buffer === other.buffer;
}

t.test('the chunks of a page that was let go of are those of the next one', async (t) => {
  const pool = new ChunkPool();
  const page = [pool.take(1), pool.take(1)];
  t.notOk(isSame(page[0]!, page[1]!));
  pool.give(partsOf(page));
  const next = [pool.take(1), pool.take(1)];
  t.ok(page.every((chunk) => next.some((other) => isSame(chunk, other))));
  t.notOk(
    page.some((chunk) => isSame(chunk, pool.take(1))),
    'a third one is new',
  );
});

t.test('a chunk is whole again, whatever was used of it', async (t) => {
  const pool = new ChunkPool();
  const chunk = pool.take(1);
  pool.give(partsOf([chunk]));
  t.equal(pool.take(1).length, chunk.length);
});

t.test('what is free is no more than the last page has taken', async (t) => {
  const pool = new ChunkPool();
  const large = Array.from({ length: 5 }, () => pool.take(1));
  const small = [pool.take(1), pool.take(1)];
  pool.give(partsOf(large));
  pool.give(partsOf(small));
  const known = [...large, ...small];
  const again = Array.from({ length: 4 }, () => pool.take(1));
  t.equal(again.filter((chunk) => known.some((other) => isSame(chunk, other))).length, 2);
});

t.test('a chunk of another size is made for its own, and not kept', async (t) => {
  const pool = new ChunkPool();
  const large = pool.take(1024 * 1024);
  t.ok(large.length >= 1024 * 1024);
  pool.give([large]);
  t.ok(pool.take(1).length < large.length);
});
