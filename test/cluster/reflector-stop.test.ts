import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { reflect, thing } from '../builders/reflection.ts';
import { added, KubeApi, listEnd, type Call } from '../fakes/kube-api.ts';

type Reflection = ReturnType<typeof reflect>;

/** Brings a reflector to where it waits for something; resolves to the call that it waits for. */
const STAGES: Readonly<Record<string, (api: KubeApi, told: Reflection) => Promise<Call>>> = {
  'while its request waits for an answer': (api) => api.next(),
  'when the head of the answer is there': async (api) => {
    const call = await api.next();
    call.write('');
    return call;
  },
  'within the initial events': async (api, { until }) => {
    const call = await api.next();
    call.send(added(thing('a')));
    await until('put a-uid');
    return call;
  },
  'within a line': async (api, { until }) => {
    const call = await api.next();
    call.send(added(thing('a')));
    call.write('{"type":"ADD');
    await until('put a-uid');
    return call;
  },
  'within the watch': async (api, { until }) => {
    const call = await api.next();
    call.send(added(thing('a')), listEnd('7'));
    await until('listed stream start');
    return call;
  },
  'while the first page is on its way': async (api) => {
    (await api.next()).refuse(422);
    return api.next();
  },
  'within a page': async (api) => {
    (await api.next()).refuse(422);
    const call = await api.next();
    call.write('{"items":[');
    return call;
  },
  'while the next page is on its way': async (api) => {
    (await api.next()).refuse(422);
    (await api.next()).page('7', [thing('a')], 'next');
    return api.next();
  },
  'before the watch that follows pages': async (api) => {
    (await api.next()).refuse(422);
    (await api.next()).page('7', [thing('a')]);
    return api.next();
  },
  'within a refusal': async (api) => {
    const call = await api.next();
    call.writeHead(500);
    call.write('{"mess');
    return call;
  },
};

/** Nothing is told, asked for or left open after now. */
async function staysStill(t: Test, api: KubeApi, { told }: Reflection) {
  const count = told.length;
  await api.idle();
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  t.strictSame(told.slice(count), [], 'nothing is told');
  t.equal(api.unseen, 0, 'nothing is asked for');
}

for (const [stage, arrive] of Object.entries(STAGES)) {
  t.test(`stopped ${stage}, it is silent for good and leaves nothing open`, async (t) => {
    const api = await KubeApi.listen(t);
    const reflection = reflect(t, api);
    const call = await arrive(api, reflection);
    const stopped = reflection.stop();
    call.write('');
    await stopped;
    await call.gone();
    t.notOk(reflection.told.some((line) => line.startsWith('interrupted')));
    await staysStill(t, api, reflection);
  });
}

t.test('stopped together with an answer, it takes nothing of it', async (t) => {
  const api = await KubeApi.listen(t);
  const reflection = reflect(t, api);
  const call = await api.next();
  call.send(added(thing('a')), listEnd('7'));
  await reflection.stop();
  t.strictSame(reflection.told, []);
  await staysStill(t, api, reflection);
});

t.test('stopped together with a page, it takes nothing of it', async (t) => {
  const api = await KubeApi.listen(t);
  const reflection = reflect(t, api);
  (await api.next()).refuse(422);
  (await api.next()).page('7', [thing('a')]);
  await reflection.stop();
  t.strictSame(reflection.told, []);
  await staysStill(t, api, reflection);
});

for (const how of ['a stream', 'pages']) {
  t.test(`stopped by its own sink, it takes no more of what has arrived in ${how}`, async (t) => {
    const api = await KubeApi.listen(t);
    const stopping = Promise.withResolvers<void>();
    const reflection: Reflection = reflect(t, api, {
      put: () => void reflection.stop().then(stopping.resolve),
    });
    const call = await api.next();
    if (how === 'a stream') {
      call.send(added(thing('a')), added(thing('b')), listEnd('7'));
    } else {
      call.refuse(422);
      (await api.next()).page('7', [thing('a'), thing('b')]);
    }
    await stopping.promise;
    t.strictSame(
      reflection.told.filter((line) => !line.startsWith('event')),
      ['put a-uid'],
    );
    await staysStill(t, api, reflection);
  });
}

t.test('stopped while it waits to try again, it does not try again', async (t) => {
  const api = await KubeApi.listen(t);
  const reflection = reflect(t, api, {
    delay: (_ms, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  });
  (await api.next()).reset();
  await reflection.until('wait 400');
  await reflection.stop();
  await staysStill(t, api, reflection);
});

t.test('stopped while an exec plugin does not answer, it ends without it', async (t) => {
  const api = await KubeApi.listen(t);
  const hold = join(t.testdirName, 'hold');
  const reflection = reflect(t, api, {
    files: { hold: '' },
    user: {
      exec: {
        apiVersion: 'client.authentication.k8s.io/v1',
        command: 'sh',
        args: ['-c', `while [ -e ${hold} ]; do sleep 0.01; done; echo '{"status":{"token":"x"}}'`],
      },
    },
  });
  await nextTurn();
  await reflection.stop();
  await rm(hold);
  await staysStill(t, api, reflection);
});

t.test('stopped while the API server is away, it ends at once', async (t) => {
  const api = await KubeApi.listen(t);
  await api.stop();
  const reflection = reflect(t, api, { delay: () => nextTurn() });
  await reflection.until('interrupted failed');
  await reflection.stop();
  await staysStill(t, api, reflection);
});
