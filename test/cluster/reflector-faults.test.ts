import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { reflect, thing } from '../builders/reflection.ts';
import { added, bookmark, failure, KubeApi, listEnd } from '../fakes/kube-api.ts';

/** A reflector that has read `a` as of version 7. */
async function watching(t: Test, options: Parameters<typeof reflect>[2] = {}) {
  const api = await KubeApi.listen(t);
  const reflection = reflect(t, api, options);
  const stream = await api.next();
  stream.send(added(thing('a')), listEnd('7'));
  await reflection.until('listed stream start');
  return { api, stream, ...reflection };
}

t.test('a reset connection is made anew, and the watch goes on', async (t) => {
  const { api, stream, until } = await watching(t);
  stream.reset();
  await until('interrupted reset');
  const again = await api.next();
  t.equal(again.query['resourceVersion'], '7');
  again.send(added(thing('b', { resourceVersion: '8' })));
  await until('put b-uid');
});

t.test('a reset within a list has the list begun anew', async (t) => {
  const api = await KubeApi.listen(t);
  const { objects, until } = reflect(t, api);
  const stream = await api.next();
  stream.send(added(thing('a')));
  await until('put a-uid');
  stream.reset();
  await until('interrupted reset');
  (await api.next()).send(added(thing('b')), listEnd('9'));
  await until('listed stream start');
  t.strictSame([...objects.keys()], ['b-uid']);
});

for (const status of [500, 502, 504]) {
  t.test(`${status} is no end: the watch goes on when the server has recovered`, async (t) => {
    const { api, stream, until } = await watching(t);
    stream.end();
    for (let round = 0; round < 10; round++) {
      (await api.next()).refuse(status);
      await until('interrupted failed');
    }
    const again = await api.next();
    t.equal(again.query['resourceVersion'], '7');
    again.send(added(thing('b', { resourceVersion: '8' })));
    await until('put b-uid');
  });
}

t.test('an error event that is not 410 has the watch resumed, not the list repeated', async (t) => {
  const { api, stream, until } = await watching(t);
  stream.send(failure(500));
  await until('interrupted failed');
  t.equal((await api.next()).query['resourceVersion'], '7');
});

t.test('a server that is gone is found again when it is back', async (t) => {
  let refused = 0;
  const { promise: back, resolve } = Promise.withResolvers<void>();
  const { api, clock, reflector, stream, until } = await watching(t, {
    delay: async () => {
      if (refused++ > 5) await back;
    },
  });
  stream.send(added(thing('b', { resourceVersion: '8' })));
  await until('put b-uid');
  await api.stop();
  await until('interrupted reset');
  for (let round = 0; round < 5; round++) await until('interrupted failed');
  t.equal(reflector.status.failingSinceMs, clock.nowMs);
  t.ok(reflector.status.synced);
  await api.start();
  resolve();
  const again = await api.next();
  t.equal(again.query['resourceVersion'], '8');
  again.send(added(thing('c', { resourceVersion: '9' })));
  await until('put c-uid');
  t.equal(reflector.status.failingSinceMs, undefined);
});

t.test('a watch with nothing but bookmarks now and then is kept', async (t) => {
  const silenceMsMax = 2000;
  const { stream, told, until } = await watching(t, { silenceMsMax });
  const quiet = told.length;
  for (let quietMs = 0; quietMs <= silenceMsMax; quietMs += 250) {
    await delay(250);
    stream.send(bookmark('8'));
  }
  stream.send(added(thing('b', { resourceVersion: '9' })));
  await until('put b-uid');
  t.notMatch(told.slice(quiet).join(), /interrupted|listed|wait/);
});

t.test('a watch that falls silent is made anew', async (t) => {
  const { api, stream, until } = await watching(t, { silenceMsMax: 500 });
  await until('interrupted silent');
  await stream.gone();
  const again = await api.next();
  t.equal(again.query['resourceVersion'], '7');
});

t.test('a request that is never answered is made anew', async (t) => {
  const api = await KubeApi.listen(t);
  const { until } = reflect(t, api, { headersMsMax: 500 });
  const stream = await api.next();
  await until('interrupted silent');
  await stream.gone();
  (await api.next()).send(listEnd('7'));
  await until('listed stream start');
});

for (const status of [429, 503]) {
  t.test(`${status} is obeyed: the server is left alone as long as it wants`, async (t) => {
    const { api, stream, until } = await watching(t);
    stream.end();
    await until('wait 400');
    (await api.next()).refuse(status, { 'retry-after': '17' });
    await until('interrupted throttled');
    await until('wait 17000');
    (await api.next()).refuse(status);
    await until('wait 1600');
    (await api.next()).refuse(status, { 'retry-after': '86400' });
    await until('wait 60000');
    (await api.next()).refuse(status, { 'retry-after': 'tomorrow' });
    await until('wait 6400');
    t.equal((await api.next()).query['resourceVersion'], '7');
  });
}

t.test('what is forbidden is told once, and asked for again as after any failure', async (t) => {
  const { api, lines, stream, until } = await watching(t);
  stream.end();
  for (const waitMs of [800, 1600, 3200]) {
    (await api.next()).refuse(403);
    await until('interrupted forbidden');
    await until(`wait ${waitMs}`);
  }
  const warnings = lines.filter(({ level }) => level === 40);
  t.equal(warnings.length, 1);
  t.match(warnings[0], { kind: 'Thing', reason: 'forbidden', err: { message: /told to say 403/ } });
  (await api.next()).send(added(thing('b', { resourceVersion: '8' })));
  await until('put b-uid');
});

t.test('after 401 a token file is read again', async (t) => {
  const tokenFile = join(t.testdirName, 'token');
  const { api, stream, until } = await watching(t, {
    files: { token: 'old' },
    user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } },
  });
  t.equal(stream.headers.authorization, 'Bearer old');
  await writeFile(tokenFile, 'new');
  stream.end();
  const refused = await api.next();
  t.equal(refused.headers.authorization, 'Bearer old', 'it is good for a minute');
  refused.refuse(401);
  await until('interrupted unauthorized');
  await until('wait 800');
  t.equal((await api.next()).headers.authorization, 'Bearer new');
});

t.test('credentials that cannot be had are asked for again', async (t) => {
  const tokenFile = join(t.testdirName, 'token');
  const { promise: written, resolve } = Promise.withResolvers<void>();
  const api = await KubeApi.listen(t);
  const { lines, until } = reflect(t, api, {
    user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } },
    delay: () => written,
  });
  await until('interrupted failed');
  t.match(
    lines.find(({ level }) => level === 40),
    { err: { message: /Cannot get credentials/ } },
  );
  await writeFile(tokenFile, 'late');
  resolve();
  t.equal((await api.next()).headers.authorization, 'Bearer late');
});

t.test('an answer that is no JSON, as a proxy gives, is an error like another', async (t) => {
  const { api, lines, stream, until } = await watching(t);
  stream.end();
  const html = await api.next();
  html.write('<html>no such gateway');
  html.end();
  await until('interrupted malformed');
  t.equal((await api.next()).query['resourceVersion'], '7');
  t.equal(lines.filter(({ level }) => level === 40).length, 1);
});
