import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type ServerOptions } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ResolveClient } from '../../src/agent/resolve-client.ts';
import { certificate } from '../builders/certificate.ts';
import { listening } from '../builders/listening.ts';

const ANSWER = JSON.stringify({
  epoch: 'e',
  rev: 1,
  synced: true,
  stale: false,
  entries: {},
  gone: [],
  reset: true,
  nextPollMs: 1000,
});
const question = { node: 'node-a' };
const refusedBy = (code: string) => ({ name: 'Unanswered', reason: 'connection', cause: { code } });
const never = { signal: new AbortController().signal };

/** A controller that says yes to everybody its TLS lets in. */
async function controller(t: Test, options: ServerOptions) {
  const authorizations: (string | undefined)[] = [];
  let connections = 0;
  const server = createServer(options, ({ headers }, response) => {
    authorizations.push(headers.authorization);
    response.end(ANSWER);
  });
  server.on('secureConnection', () => connections++);
  const { port } = await listening(server);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const urlOf = (host: string) => `https://${host}:${port}`;
  return { authorizations, connections: () => connections, server, url: urlOf('127.0.0.1'), urlOf };
}

t.test(
  'a controller is believed only if the CA that is given has signed its certificate',
  async (t) => {
    const own = await certificate({ addresses: ['127.0.0.1'] });
    const other = await certificate({ addresses: ['127.0.0.1'] });
    const expired = await certificate({ addresses: ['127.0.0.1'], days: -1 });
    const folder = t.testdir({
      'own.crt': own.cert,
      'other.crt': other.cert,
      'old.crt': expired.cert,
    });
    const { url, urlOf } = await controller(t, own);
    const ask = async (to: string, ca?: string) => {
      using client = new ResolveClient(to, { credentials: { ca: ca && join(folder, ca) } });
      return client.ask(question, never);
    };
    t.match(await ask(url, 'own.crt'), { epoch: 'e' });
    await t.rejects(ask(url, 'other.crt'), refusedBy('DEPTH_ZERO_SELF_SIGNED_CERT'));
    await t.rejects(ask(url), refusedBy('DEPTH_ZERO_SELF_SIGNED_CERT'));
    await t.rejects(ask(urlOf('localhost'), 'own.crt'), refusedBy('ERR_TLS_CERT_ALTNAME_INVALID'));
    const old = await controller(t, expired);
    await t.rejects(ask(old.url, 'old.crt'), refusedBy('CERT_HAS_EXPIRED'));
  },
);

t.test('one connection is kept, until the CA or the own certificate changes', async (t) => {
  const own = await certificate({ addresses: ['127.0.0.1'] });
  const next = await certificate({ addresses: ['127.0.0.1'] });
  const folder = t.testdir({ 'ca.crt': own.cert });
  const ca = join(folder, 'ca.crt');
  const { url, connections, server } = await controller(t, own);
  using client = new ResolveClient(url, { credentials: { ca } });
  await client.ask(question, never);
  await client.ask(question, never);
  t.equal(connections(), 1);
  server.setSecureContext(next);
  await writeFile(ca, `${own.cert}\n${next.cert}`);
  await client.ask(question, never);
  t.equal(connections(), 2);
});

t.test('a controller that asks for a certificate is shown one', async (t) => {
  const own = await certificate({ addresses: ['127.0.0.1'] });
  const agent = await certificate({ addresses: ['127.0.0.1'] });
  const folder = t.testdir({ 'ca.crt': own.cert, 'agent.crt': agent.cert, 'agent.key': agent.key });
  const mutual = { ...own, ca: agent.cert, requestCert: true, rejectUnauthorized: true };
  const { url } = await controller(t, mutual);
  const ca = join(folder, 'ca.crt');
  const credentials = { ca, cert: join(folder, 'agent.crt'), key: join(folder, 'agent.key') };
  using client = new ResolveClient(url, { credentials });
  t.match(await client.ask(question, never), { epoch: 'e' });
  using stranger = new ResolveClient(url, { credentials: { ca } });
  await t.rejects(stranger.ask(question, never), { name: 'Unanswered', reason: 'connection' });
});

t.test('the token is the one that is there now, however the kubelet swaps it', async (t) => {
  const own = await certificate({ addresses: ['127.0.0.1'] });
  const folder = t.testdir({ 'ca.crt': own.cert, first: 'one\n', second: 'two' });
  const token = join(folder, 'token');
  await symlink(join(folder, 'first'), token);
  const { url, authorizations } = await controller(t, own);
  using client = new ResolveClient(url, { credentials: { ca: join(folder, 'ca.crt'), token } });
  await client.ask(question, never);
  await symlink(join(folder, 'second'), `${token}.new`);
  await rename(`${token}.new`, token);
  await client.ask(question, never);
  t.strictSame(authorizations, ['Bearer one', 'Bearer two']);
  await rm(token);
  await t.rejects(client.ask(question, never), {
    reason: 'credentials',
    cause: { message: /^Cannot read .*token: ENOENT/ },
  });
  t.equal(authorizations.length, 2);
});

t.test('a file of certificates that is none for a while fails questions for a while', async (t) => {
  const own = await certificate({ addresses: ['127.0.0.1'] });
  const folder = t.testdir({ 'ca.crt': own.cert.slice(0, 200) });
  const ca = join(folder, 'ca.crt');
  const { url } = await controller(t, own);
  using client = new ResolveClient(url, { credentials: { ca } });
  await t.rejects(client.ask(question, never), { name: 'Unanswered', reason: 'connection' });
  await t.rejects(client.ask(question, never), { name: 'Unanswered', reason: 'connection' });
  await writeFile(ca, own.cert);
  t.match(await client.ask(question, never), { epoch: 'e' });
});
