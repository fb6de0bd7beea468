import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { reflect, thing } from '../builders/reflection.ts';
import * as kube from '../fakes/kube-api.ts';

const { added, bookmark, deleted, KubeApi, listEnd, modified } = kube;

/** A reflector that has read `a` as of version 7. */
async function watching(t: Test, options: Parameters<typeof reflect>[2] = {}) {
  const api = await KubeApi.listen(t);
  const reflection = reflect(t, api, options);
  const stream = await api.next();
  stream.send(added(thing('a')), listEnd('7'));
  await reflection.until('listed stream start');
  return { api, stream, ...reflection };
}

t.test('what happens to objects reaches the sink', async (t) => {
  const { stream, told, until } = await watching(t);
  stream.send(
    added(thing('b', { resourceVersion: '8' })),
    modified(thing('b', { resourceVersion: '9' })),
    deleted(thing('b', { resourceVersion: '10' })),
  );
  await until('remove b-uid');
  const lines = ['event ADDED', 'put b-uid', 'event MODIFIED', 'put b-uid', 'event DELETED'];
  t.strictSame(told.slice(-6), [...lines, 'remove b-uid']);
});

t.test('a watch that the server closes goes on from the last event', async (t) => {
  const { api, objects, stream, told, until } = await watching(t);
  stream.send(added(thing('b', { resourceVersion: '9' })));
  stream.end();
  await until('interrupted closed');
  const again = await api.next();
  t.equal(again.query['resourceVersion'], '9');
  t.notOk('sendInitialEvents' in again.query);
  again.send(deleted(thing('a', { resourceVersion: '10' })));
  await until('remove a-uid');
  t.strictSame([...objects.keys()], ['b-uid']);
  t.equal(told.filter((line) => line.startsWith('listed')).length, 1);
});

t.test('a watch of a quiet kind goes on from the last bookmark', async (t) => {
  const { api, stream, until } = await watching(t);
  stream.send(bookmark('4711'));
  stream.end();
  await until('interrupted closed');
  const again = await api.next();
  t.equal(again.query['resourceVersion'], '4711');
  t.equal(again.query['allowWatchBookmarks'], 'true');
});

t.test('the server is asked to end a watch after five to ten minutes', async (t) => {
  for (const [random, timeoutSeconds] of [
    [0, '300'],
    [0.5, '450'],
    [1, '600'],
  ] as const) {
    const api = await KubeApi.listen(t);
    const { stop } = reflect(t, api, { random: () => random });
    t.equal((await api.next()).query['timeoutSeconds'], timeoutSeconds);
    await stop();
  }
});

t.test('a server that closes each watch at once is asked ever less often', async (t) => {
  const { api, stream, until } = await watching(t);
  stream.end();
  for (const ms of [400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000]) {
    await until(`wait ${ms}`);
    const again = await api.next();
    again.write('');
    again.end();
  }
});

t.test('after two minutes of health the waits begin anew', async (t) => {
  const { api, clock, stream, until } = await watching(t);
  stream.end();
  await until('wait 400');
  (await api.next()).reset();
  await until('wait 800');
  const healthy = await api.next();
  healthy.send(bookmark('8'));
  await until('event BOOKMARK');
  clock.nowMs += 120_000;
  healthy.end();
  await until('wait 400');
});

for (const how of ['as an event', 'as a status']) {
  t.test(`410 ${how} has all objects read anew, and what is gone is swept`, async (t) => {
    const { api, objects, stream, told, until } = await watching(t);
    stream.send(added(thing('b', { resourceVersion: '8' })));
    if (how === 'as an event') {
      stream.send(kube.failure(410));
    } else {
      stream.end();
      (await api.next()).refuse(410);
    }
    await until('interrupted expired');
    const list = await api.next();
    t.equal(list.query['sendInitialEvents'], 'true');
    t.notOk('resourceVersion' in list.query);
    t.strictSame([...objects.keys()], ['a-uid', 'b-uid'], 'nothing is lost meanwhile');
    list.send(added(thing('b', { resourceVersion: '8' })), added(thing('c')));
    await until('put c-uid');
    t.ok(objects.has('a-uid'), 'the list is not whole yet');
    list.send(listEnd('50'));
    await until('listed stream expired');
    t.strictSame([...objects.keys()], ['b-uid', 'c-uid']);
    t.equal(told.filter((line) => line === 'remove a-uid').length, 1);
  });
}

t.test('an object that came back under its old name is another one', async (t) => {
  const { objects, stream, told, until } = await watching(t);
  const again = thing('a', { uid: 'a-uid-2', resourceVersion: '9' });
  stream.send(modified(again));
  await until('put a-uid-2');
  t.strictSame(told.slice(-2), ['remove a-uid', 'put a-uid-2']);
  stream.send(deleted(thing('a', { resourceVersion: '10' })), bookmark('11'));
  await until('event BOOKMARK');
  t.strictSame([...objects.keys()], ['a-uid-2'], 'the end of the former one is no end of it');
});

t.test('an object that owns nothing any more leaves the sink', async (t) => {
  const { reflector, stream, until } = await watching(t);
  stream.send(modified({ ...thing('a', { resourceVersion: '9' }), spec: {} }));
  await until('remove a-uid');
  t.equal(reflector.status.objects, 0);
});

t.test('a sink that throws is counted and logged, and the stream goes on', async (t) => {
  const { api, lines, stream, until } = await watching(t, {
    put: (uid) => {
      if (uid === 'bad-uid') throw new Error('no room');
    },
  });
  stream.send(added(thing('bad', { resourceVersion: '8' })));
  await until('rejected');
  stream.send(added(thing('b', { resourceVersion: '9' })));
  await until('put b-uid');
  t.match(
    lines.find(({ level }) => level === 50),
    { kind: 'Thing', err: { message: 'no room' } },
  );
  t.equal(api.connections, 1);
});

t.test('an object that keep() does not understand costs no other one', async (t) => {
  const { api, objects, stream, until } = await watching(t, {
    keep: (object) => {
      if (JSON.stringify(object).includes('bad')) throw new Error('this is no thing');
      return 'kept';
    },
  });
  stream.send(added(thing('bad', { resourceVersion: '8' })));
  await until('rejected');
  stream.send(added({ metadata: { name: 'no uid', resourceVersion: '9' } }));
  await until('rejected');
  stream.send(added(thing('b', { resourceVersion: '10' })));
  await until('put b-uid');
  t.strictSame([...objects.keys()], ['a-uid', 'b-uid']);
  t.equal(api.connections, 1);
});

for (const [what, line] of [
  ['half a line', '{"type":"ADDED","obj'],
  ['a line that is not JSON', '<html>\n'],
  ['an event of an unknown type', '{"type":"RENAMED","object":{}}\n'],
  ['an event without an object', '{"type":"ADDED"}\n'],
  ['a line that is no object', '[]\n'],
] as const) {
  t.test(`after ${what} the watch goes on from the last good event`, async (t) => {
    const { api, stream, told, until } = await watching(t);
    stream.send(added(thing('b', { resourceVersion: '9' })));
    stream.write(line);
    stream.end();
    await until('interrupted malformed');
    t.equal((await api.next()).query['resourceVersion'], '9');
    t.equal(told.filter((each) => each.startsWith('listed')).length, 1);
  });
}

t.test('nothing of an object stays in memory but what keep() returns', async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const seen: WeakRef<object>[] = [];
  const { reflector, stream, until } = await watching(t, {
    keep: (object) => {
      if (typeof object === 'object' && object !== null) seen.push(new WeakRef(object));
      return 'kept';
    },
  });
  stream.send(added(thing('b', { resourceVersion: '8' })), bookmark('9'));
  await until('event BOOKMARK');
  for (let turn = 0; turn < 3; turn++) {
    await nextTurn();
    collectGarbage();
  }
  t.equal(reflector.status.objects, 2);
  t.strictSame(
    seen.map((each) => each.deref()),
    [undefined, undefined],
  );
});
