import { once } from 'node:events';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { skip } from '../kernel/skip.ts';

/** The thread that a source starts next. */
async function nextWorker(): Promise<Worker> {
  const [worker] = await once(process, 'worker');
  return worker;
}

t.test(
  'snapshots of one worker follow each other: only the first is a baseline',
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('quiet');
    await using source = new SnapshotSource({ netns: namespace.path });
    const first = await source.take();
    t.match(first, { baseline: true, entries: 0, available: true, malformed: 0, repeated: 0 });
    t.ok(first.durationMs >= 0 && first.takenAtMs <= Date.now());
    t.equal((await source.take()).baseline, false);
  },
);

t.test('the snapshot that was begun is the first one that is taken', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('quiet');
  await using source = new SnapshotSource({ netns: namespace.path });
  source.begin({ takes: true });
  t.equal((await source.take()).baseline, true, 'not one after it');
  t.equal((await source.take()).baseline, false);
});

t.test(
  'what is wrong with a snapshot that was begun is told to who takes it',
  { skip },
  async (t) => {
    const path = join(t.testdir(), 'none');
    await using source = new SnapshotSource({ netns: path });
    const starting = nextWorker();
    source.begin({ takes: true });
    await once(await starting, 'message');
    await t.rejects(source.take(), { name: 'Failure', exitCode: 1 });
  },
);

t.test(
  'a worker that dies while it works fails the snapshot, and the next one is a baseline',
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('quiet');
    await using source = new SnapshotSource({ netns: namespace.path });
    const starting = nextWorker();
    const taking = source.take();
    const failing = t.rejects(taking, {
      message: 'Cannot take a snapshot: the worker thread died',
      cause: { message: /^It ended with exit code \d$/ },
    });
    await (await starting).terminate();
    await failing;
    t.equal((await source.take()).baseline, true);
    t.equal((await source.take()).baseline, false);
  },
);

t.test('a worker that died between two snapshots is replaced', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('quiet');
  await using source = new SnapshotSource({ netns: namespace.path });
  const starting = nextWorker();
  await source.take();
  await (await starting).terminate();
  t.equal((await source.take()).baseline, true);
});

t.test('whoever takes the place of a worker that died writes its state', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('quiet');
  const state = { path: t.testdir(), stamp: undefined };
  await using source = new SnapshotSource({ netns: namespace.path, state });
  t.strictSame(await source.save(), { kind: 'nothing' }, 'there is nothing yet');
  const save = async () => {
    source.write('head', new TextEncoder().encode('{}'));
    return (await source.save()).kind;
  };
  for (let worker = 0; worker < 2; worker++) {
    const starting = nextWorker();
    await source.take();
    t.equal(await save(), 'saved');
    t.equal(await save(), 'saved', 'as often as one likes');
    await (await starting).terminate();
  }
  t.equal(await save(), 'nothing', 'without a worker there are no rows');
});

t.test('rows that cannot be any are refused', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('quiet');
  await using source = new SnapshotSource({ netns: namespace.path });
  const columns = [{ name: 'ipv4.words', bytes: new Uint8Array(7) }];
  await t.rejects(source.resume(columns, []), {
    cause: { message: 'Cannot load rows from 7 bytes' },
  });
  t.equal((await source.take()).baseline, true);
  t.equal((await source.resume([], [])).number.length, 0);
  t.equal((await source.take()).baseline, false, 'no rows are as good as any');
});

t.test('a source that is disposed of ends its worker', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('quiet');
  const source = new SnapshotSource({ netns: namespace.path });
  const starting = nextWorker();
  await source.take();
  const exited = once(await starting, 'exit');
  await source[Symbol.asyncDispose]();
  await exited;
  t.equal((await starting).threadId, -1);
});

t.test('a network namespace may come later', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('late');
  const path = join(t.testdir(), 'late');
  await using source = new SnapshotSource({ netns: path });
  await t.rejects(source.take(), {
    name: 'Failure',
    exitCode: 1,
    message: `Cannot open the network namespace ${path}: ENOENT. Is --netns right?`,
  });
  await symlink(namespace.path, path);
  t.match(await source.take(), { baseline: true, localAddresses: ['127.0.0.1', '::1'] });
});
