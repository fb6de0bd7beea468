import t from 'tap';
import { ChunkPool } from '../../src/telemetry/chunk-pool.ts';

t.test('the chunks of a page that was let go of are those of the next one', async (t) => {
  const pool = new ChunkPool();
  const page = [pool.take(1), pool.take(1)];
  t.not(page[0], page[1]);
  pool.give(page);
  t.strictSame(new Set([pool.take(1), pool.take(1)]), new Set(page));
  t.notOk(page.includes(pool.take(1)), 'a third one is new');
});

t.test('what is free is no more than the last page has taken', async (t) => {
  const pool = new ChunkPool();
  const large = Array.from({ length: 5 }, () => pool.take(1));
  const small = [pool.take(1), pool.take(1)];
  pool.give(large);
  pool.give(small);
  const known = new Set([...large, ...small]);
  const again = Array.from({ length: 4 }, () => pool.take(1));
  t.equal(again.filter((chunk) => known.has(chunk)).length, 2);
});

t.test('a chunk of another size is made for its own, and not kept', async (t) => {
  const pool = new ChunkPool();
  const large = pool.take(1024 * 1024);
  t.ok(large.length >= 1024 * 1024);
  pool.give([large]);
  t.ok(pool.take(1).length < large.length);
});
