import { writeFile } from 'node:fs/promises';
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { mock } from 'node:test';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { EXIT_USAGE } from '../../src/runtime/failure.ts';
import { certificate } from '../builders/certificate.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { KubeApi, type Call } from '../fakes/kube-api.ts';

const signal = new AbortController().signal;

/** A client of an API server in clear text; `files` stand beside its kubeconfig. */
async function connected(
  t: Test,
  user: object = {},
  files: Readonly<Record<string, string>> = {},
  limits: NonNullable<Parameters<typeof ClusterClient.load>[0]['limits']> = {},
) {
  const api = await KubeApi.listen(t);
  const text = kubeconfig({ server: `http://${api.host}`, user });
  const client = ClusterClient.load({
    kubeconfig: join(t.testdir({ ...files, kubeconfig: text }), 'kubeconfig'),
    limits,
  });
  /** What the client asks over a connection of its own. */
  const ask = async (): Promise<Call> => {
    const connection = await client.connect({ signal });
    const answer = connection.getJson('/version', {}, { signal });
    const call = await api.next();
    call.json(200, {});
    await answer;
    await connection[Symbol.asyncDispose]();
    return call;
  };
  return { api, client, ask };
}

/** Throws what there is to say about a configuration. */
function refusal(options: { kubeconfig?: string; context?: string }): Error {
  try {
    ClusterClient.load(options);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('it is accepted');
}

t.test('outside of a pod and without a file it says what it looked for', async (t) => {
  delete process.env['KUBERNETES_SERVICE_HOST'];
  t.match(refusal({}), {
    exitCode: EXIT_USAGE,
    message: /KUBERNETES_SERVICE_HOST is not set.*no kubeconfig is given/,
  });
});

t.test('inside of a pod it takes what the kubelet provides', async (t) => {
  process.env['KUBERNETES_SERVICE_HOST'] = 'fd00::1';
  process.env['KUBERNETES_SERVICE_PORT'] = '443';
  t.teardown(() => {
    delete process.env['KUBERNETES_SERVICE_HOST'];
    delete process.env['KUBERNETES_SERVICE_PORT'];
  });
  const client = ClusterClient.load({});
  t.equal(client.server, 'https://[fd00::1]:443');
  await t.rejects(client.connect({ signal }), {
    message: 'Cannot get credentials for the API server https://[fd00::1]:443',
    cause: { message: /serviceaccount/ },
  });
});

t.test('a configuration that cannot be used is refused at once, and says why', async (t) => {
  const good = kubeconfig({ server: 'https://localhost' });
  const folder = t.testdir({
    good,
    broken: '{',
    empty: '',
    plain: kubeconfig({ server: 'http://localhost', caFile: '/ca.crt' }),
    nowhere: kubeconfig({ server: 'somewhere' }),
    lost: good.replace('"current-context":"test"', '"current-context":"gone"'),
  });
  const faults: readonly [file: string, fault: RegExp, context?: string][] = [
    ['missing', /ENOENT/],
    ['broken', /./],
    ['empty', /./],
    ['plain', /not encrypted/],
    ['nowhere', /no URL: somewhere/],
    ['lost', /names no cluster/],
    ['good', /no context other, only test/, 'other'],
  ];
  for (const [file, fault, context] of faults) {
    const path = join(folder, file);
    const error = refusal({ kubeconfig: path, ...(context !== undefined && { context }) });
    t.match(error, { exitCode: EXIT_USAGE, message: fault }, file);
    t.ok(error.message.startsWith(`Cannot use the Kubernetes configuration in ${path}: `), file);
  }
});

t.test('the context that is asked for is used', async (t) => {
  const config = JSON.parse(kubeconfig({ server: 'https://one' }));
  config.clusters.push({ name: 'two', cluster: { server: 'https://two/' } });
  config.contexts.push({ name: 'second', context: { cluster: 'two', user: 'test' } });
  const path = join(t.testdir({ kubeconfig: JSON.stringify(config) }), 'kubeconfig');
  t.equal(ClusterClient.load({ kubeconfig: path }).server, 'https://one');
  t.equal(ClusterClient.load({ kubeconfig: path, context: 'second' }).server, 'https://two');
});

t.test('a token file is read again once the server has refused what it said', async (t) => {
  const tokenFile = join(t.testdirName, 'token');
  const provider = { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } };
  const { ask, client } = await connected(t, provider, { token: 'old' });
  t.equal((await ask()).headers.authorization, 'Bearer old');
  await writeFile(tokenFile, 'new');
  t.equal((await ask()).headers.authorization, 'Bearer old', 'for a minute');
  client.forgetCredentials();
  t.equal((await ask()).headers.authorization, 'Bearer new');
});

t.test('a token file that has changed is read again after a minute', async (t) => {
  const tokenFile = join(t.testdirName, 'token');
  const provider = { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } };
  const { ask } = await connected(t, provider, { token: 'old' });
  t.equal((await ask()).headers.authorization, 'Bearer old');
  await writeFile(tokenFile, 'new');
  // The library looks at the clock itself.
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 });
  t.teardown(() => mock.timers.reset());
  t.equal((await ask()).headers.authorization, 'Bearer new');
});

t.test('an exec plugin is asked once, and again when its credential is forgotten', async (t) => {
  const count = join(t.testdirName, 'count');
  const script = `printf x >> ${count}; echo '{"status":{"token":"t'$(wc -c < ${count})'"}}'`;
  const exec = { command: 'sh', args: ['-c', script] };
  const { ask, client } = await connected(t, { exec }, { count: '' });
  t.equal((await ask()).headers.authorization, 'Bearer t1');
  t.equal((await ask()).headers.authorization, 'Bearer t1');
  client.forgetCredentials();
  t.equal((await ask()).headers.authorization, 'Bearer t2');
});

t.test('an exec plugin whose credential has expired is asked again', async (t) => {
  const count = join(t.testdirName, 'count');
  const status = `{"token":"t'$(wc -c < ${count})'","expirationTimestamp":"2020-01-01T00:00:00Z"}`;
  const script = `printf x >> ${count}; echo '{"status":${status}}'`;
  const exec = { command: 'sh', args: ['-c', script] };
  const { ask } = await connected(t, { exec }, { count: '' });
  t.equal((await ask()).headers.authorization, 'Bearer t1');
  t.equal((await ask()).headers.authorization, 'Bearer t2');
});

t.test('an exec plugin that fails or does not answer is an error', async (t) => {
  const hold = join(t.testdirName, 'hold');
  const failing = { command: 'sh', args: ['-c', 'echo no card >&2; exit 1'] };
  const { client } = await connected(t, { exec: failing });
  await t.rejects(client.connect({ signal }), {
    message: /Cannot get credentials/,
    cause: { message: /no card/ },
  });
  const hanging = { command: 'sh', args: ['-c', `while [ -e ${hold} ]; do sleep 0.01; done`] };
  const limits = { credentialsMsMax: 20 };
  const { client: other } = await connected(t, { exec: hanging }, { hold: '' }, limits);
  await t.rejects(other.connect({ signal }), { cause: { name: 'TimeoutError' } });
});

t.test('an answer that is not 2xx says what the server says', async (t) => {
  const { api, client } = await connected(t);
  await using connection = await client.connect({ signal });
  const answer = connection.getJson('/version', { a: 'b' }, { signal });
  (await api.next()).refuse(403);
  await t.rejects(answer, { name: 'ApiError', status: 403, message: /GET \/version: 403 told to/ });
});

t.test('an endless refusal is cut off', async (t) => {
  const { api, client } = await connected(t);
  await using connection = await client.connect({ signal });
  const answer = connection.getJson('/version', {}, { signal });
  const call = await api.next();
  call.writeHead(500);
  call.write('x'.repeat(20_000));
  await t.rejects(answer, /more than 16384 bytes/);
  await call.gone();
});

type Own = Awaited<ReturnType<typeof certificate>>;

for (const [protocol, create] of [
  ['HTTP/1.1', (own: Own) => createServer(own)],
  ['HTTP/2', (own: Own) => createSecureServer(own)],
] as const) {
  t.test(`pages and the watch after them take one TLS connection of ${protocol}`, async (t) => {
    const own = await certificate({ addresses: ['127.0.0.1'] });
    const server = create(own);
    let handshakes = 0;
    server.on('secureConnection', () => handshakes++);
    const api = await KubeApi.listen(t, server);
    const folder = t.testdir({ 'ca.crt': own.cert });
    const caFile = join(folder, 'ca.crt');
    await writeFile(
      join(folder, 'kubeconfig'),
      kubeconfig({ server: `https://${api.host}`, caFile }),
    );
    const client = ClusterClient.load({
      kubeconfig: join(folder, 'kubeconfig'),
      limits: { silenceMsMax: 500 },
    });
    const connection = await client.connect({ signal });
    for (let page = 0; page < 10; page++) {
      const answer = connection.getJson('/api/v1/pods', {}, { signal });
      (await api.next()).page('1', []);
      await answer;
    }
    const watch = connection.stream('/api/v1/pods', { watch: 'true' }, { signal });
    (await api.next()).write('half');
    t.equal(handshakes, 1);
    // The silence is noticed whichever protocol is spoken.
    await t.rejects(Array.fromAsync(await watch), { code: 'UND_ERR_BODY_TIMEOUT' });
    await connection[Symbol.asyncDispose]();
    await api.idle();
    t.equal(handshakes, 1);
  });
}

t.test('a server whose certificate is not trusted is not asked', async (t) => {
  const { cert, key } = await certificate({ addresses: ['127.0.0.1'] });
  const { cert: another } = await certificate({ addresses: ['127.0.0.1'] });
  const api = await KubeApi.listen(t, createServer({ cert, key }));
  const caFile = join(t.testdirName, 'ca.crt');
  const text = kubeconfig({ server: `https://${api.host}`, caFile });
  const folder = t.testdir({ 'ca.crt': another, kubeconfig: text });
  const client = ClusterClient.load({ kubeconfig: join(folder, 'kubeconfig') });
  await using connection = await client.connect({ signal });
  await t.rejects(connection.getJson('/version', {}, { signal }), /self-signed certificate/);
  t.equal(api.unseen, 0);
});
