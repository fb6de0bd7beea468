import t from 'tap';
import { reflect, thing } from '../builders/reflection.ts';
import {
  added,
  bookmark,
  deleted,
  failure,
  KubeApi,
  listEnd,
  modified,
} from '../fakes/kube-api.ts';

t.test('a watch-list streams objects into the sink before it is whole', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, reflector, until } = reflect(t, api);
  const stream = await api.next();
  t.match(stream.query, {
    watch: 'true',
    sendInitialEvents: 'true',
    resourceVersionMatch: 'NotOlderThan',
    allowWatchBookmarks: 'true',
  });
  t.notOk('resourceVersion' in stream.query);
  stream.send(added(thing('a')));
  await until('put a-uid');
  t.notOk(reflector.status.synced);
  stream.send(added(thing('b')), listEnd('7'));
  await until('listed stream start');
  t.match(reflector.status, { synced: true, objects: 2, failingSinceMs: undefined });
  t.strictSame(
    [...objects],
    [
      ['a-uid', 'a'],
      ['b-uid', 'b'],
    ],
  );
});

t.test('the stream of a watch-list goes on as the watch', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, until } = reflect(t, api);
  const stream = await api.next();
  stream.send(added(thing('a')), listEnd('7'));
  await until('listed stream start');
  stream.send(modified(thing('a', { resourceVersion: '8', value: 'new' })));
  await until('put a-uid');
  t.equal(objects.get('a-uid'), 'new');
  t.equal(api.connections, 1);
});

for (const status of [400, 422]) {
  t.test(`a server that refuses watch-lists with ${status} is read in pages`, async (t) => {
    const api = await KubeApi.listen(t);
    const { objects, told, until } = reflect(t, api);
    (await api.next()).refuse(status);
    const list = await api.next();
    t.strictSame(list.query, { limit: '500' }, 'without a resourceVersion, which voids the limit');
    list.page('7', [thing('a')]);
    const watch = await api.next();
    t.equal(watch.query['resourceVersion'], '7');
    t.notOk('sendInitialEvents' in watch.query);
    await until('listed pages start');
    t.strictSame([...objects.keys()], ['a-uid']);
    t.notOk(told.some((line) => line.startsWith('interrupted')));
    t.equal(api.connections, 1, 'all over one connection');
  });
}

t.test('a server that never ends the initial events is read in pages', async (t) => {
  const api = await KubeApi.listen(t);
  const { until } = reflect(t, api, { initialEventsMsMax: 1000 });
  const stream = await api.next();
  stream.send(added(thing('a')));
  await until('put a-uid');
  await stream.gone();
  const list = await api.next();
  t.equal(list.query['limit'], '500');
  list.page('7', [thing('b')]);
  await until('remove a-uid');
  await until('listed pages start');
});

t.test('a server without watch-lists is asked for one again after an hour', async (t) => {
  const api = await KubeApi.listen(t);
  const { clock, until } = reflect(t, api);
  (await api.next()).refuse(422);
  (await api.next()).page('7', []);
  (await api.next()).send(failure(410));
  const list = await api.next();
  t.notOk('watch' in list.query, 'it has been remembered');
  list.page('8', []);
  await until('listed pages expired');
  clock.nowMs += 3_600_000;
  (await api.next()).send(failure(410));
  t.equal((await api.next()).query['sendInitialEvents'], 'true');
});

t.test('a list of many pages is read page by page over one connection', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, reflector, until } = reflect(t, api);
  (await api.next()).refuse(422);
  for (let page = 0; page < 20; page++) {
    const list = await api.next();
    t.equal(list.query['continue'], page === 0 ? undefined : `after-${page - 1}`);
    const things = Array.from({ length: 500 }, (_, index) => thing(`${page}-${index}`));
    list.page('7', things, page < 19 ? `after-${page}` : undefined);
  }
  await until('listed pages start');
  t.equal(objects.size, 10_000);
  t.equal(reflector.status.objects, 10_000);
  t.equal((await api.next()).query['resourceVersion'], '7');
  t.equal(api.connections, 1);
});

t.test('a list whose next page has expired is begun anew, and takes nothing away', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, told, until } = reflect(t, api);
  (await api.next()).refuse(422);
  (await api.next()).page('7', [thing('a'), thing('b')], 'after-b');
  (await api.next()).refuse(410);
  const list = await api.next();
  t.strictSame(list.query, { limit: '500' });
  t.strictSame([...objects.keys()], ['a-uid', 'b-uid']);
  list.page('9', [thing('b'), thing('c')]);
  await until('listed pages expired');
  t.strictSame([...objects.keys()].toSorted(), ['b-uid', 'c-uid']);
  t.equal(told.filter((line) => line.startsWith('listed')).length, 1);
});

t.test('a watch-list that ends before it is whole is begun anew', async (t) => {
  const api = await KubeApi.listen(t);
  const { reflector, until } = reflect(t, api);
  const stream = await api.next();
  stream.send(added(thing('a')));
  stream.end();
  await until('interrupted failed');
  t.notOk(reflector.status.synced);
  const again = await api.next();
  t.equal(again.query['sendInitialEvents'], 'true');
  again.send(added(thing('b')), listEnd('9'));
  await until('remove a-uid');
  await until('listed stream start');
});

t.test('a bookmark within a watch-list is not its end', async (t) => {
  const api = await KubeApi.listen(t);
  const { reflector, told, until } = reflect(t, api);
  const stream = await api.next();
  stream.send(added(thing('a')), bookmark('5'), added(thing('b')));
  await until('put b-uid');
  t.notOk(reflector.status.synced);
  stream.reset();
  const again = await api.next();
  t.equal(again.query['sendInitialEvents'], 'true', 'it cannot be resumed from there');
  t.notOk('resourceVersion' in again.query);
  t.notOk(told.some((line) => line.startsWith('listed')));
});

t.test('an object deleted while the list is on its way is not brought back', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, until } = reflect(t, api);
  (await api.next()).send(added(thing('a')), deleted(thing('a')), listEnd('9'));
  await until('listed stream start');
  t.equal(objects.size, 0);
});

t.test('an empty list may have no items at all', async (t) => {
  const api = await KubeApi.listen(t);
  const { until } = reflect(t, api);
  (await api.next()).refuse(422);
  (await api.next()).json(200, { metadata: { resourceVersion: '7' }, items: null });
  await until('listed pages start');
  t.pass('it is read');
});

t.test('a list that is none is asked for again, and takes nothing away', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, until } = reflect(t, api);
  (await api.next()).refuse(422);
  (await api.next()).page('7', [thing('a')]);
  (await api.next()).send(failure(410));
  await until('interrupted expired');
  (await api.next()).json(200, { metadata: { resourceVersion: '8' }, items: {} });
  await until('interrupted malformed');
  (await api.next()).json(200, {});
  await until('interrupted failed');
  t.strictSame([...objects.keys()], ['a-uid']);
});

t.test('the first field selector that the server does not refuse is used', async (t) => {
  const api = await KubeApi.listen(t);
  const { until } = reflect(t, api, {
    fieldSelectors: ['phase!=Failed,host=false', 'phase!=Failed', ''],
    labelSelector: 'managed-by notin (x)',
  });
  const stream = await api.next();
  t.match(stream.query, { fieldSelector: 'phase!=Failed,host=false', labelSelector: /notin/ });
  stream.refuse(400);
  (await api.next()).refuse(400);
  await until('interrupted refused');
  const list = await api.next();
  t.match(list.query, { fieldSelector: 'phase!=Failed', labelSelector: /notin/ });
  list.page('7', []);
  t.equal((await api.next()).query['fieldSelector'], 'phase!=Failed', 'in the watch as well');
});

t.test('a selector refused in a watch has all objects read anew with the next one', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, until } = reflect(t, api, { fieldSelectors: ['a=b', ''] });
  const stream = await api.next();
  stream.send(added(thing('a')), listEnd('7'));
  await until('listed stream start');
  stream.end();
  (await api.next()).refuse(400);
  const list = await api.next();
  t.notOk('fieldSelector' in list.query);
  t.notOk('resourceVersion' in list.query, 'what was not selected before has no event to come');
  list.send(added(thing('a')), added(thing('b')), listEnd('9'));
  await until('listed stream refused');
  t.strictSame([...objects.keys()], ['a-uid', 'b-uid']);
});

t.test('the last field selector is kept even if it is refused', async (t) => {
  const api = await KubeApi.listen(t);
  const { until } = reflect(t, api, { fieldSelectors: ['a=b', ''] });
  (await api.next()).refuse(400);
  for (const fieldSelector of ['a=b', undefined, undefined]) {
    const list = await api.next();
    t.equal(list.query['fieldSelector'], fieldSelector);
    list.refuse(400);
    await until('interrupted refused');
  }
});
