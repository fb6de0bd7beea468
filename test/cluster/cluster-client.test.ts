import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { TokenReviewer } from '../../src/cluster/token-review.ts';
import { certificate } from '../builders/certificate.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { listening } from '../builders/listening.ts';

const never = { signal: new AbortController().signal };

function load(t: Test, text: string, context?: string, files = {}): ClusterClient {
  const path = join(t.testdir({ ...files, kubeconfig: text }), 'kubeconfig');
  return ClusterClient.load({ kubeconfig: path, ...(context !== undefined && { context }) });
}

async function server(t: Test, listener: RequestListener) {
  const http = createServer(listener);
  const { url } = await listening(http);
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  return load(t, kubeconfig({ server: url }));
}

t.test('without a kubeconfig, outside of a pod, it says where it looked', async (t) => {
  t.throws(() => ClusterClient.load({}), {
    exitCode: 2,
    message: /of this pod: this is none \(KUBERNETES_SERVICE_HOST is not set\)/,
  });
});

t.test('a kubeconfig that cannot be used is refused at once, with the reason', async (t) => {
  const good = { server: 'https://192.0.2.1' };
  t.throws(() => ClusterClient.load({ kubeconfig: '/nonexistent' }), {
    exitCode: 2,
    message: /^Cannot use the Kubernetes configuration in \/nonexistent: ENOENT/,
  });
  t.throws(() => load(t, kubeconfig(good), 'prod'), { message: /no context prod, only test/ });
  t.throws(() => load(t, kubeconfig({ server: 'nowhere' })), { message: /no URL: nowhere/ });
  const plain = kubeconfig({ server: 'http://192.0.2.1', caFile: 'ca.crt' });
  t.throws(() => load(t, plain), { message: /not encrypted/ });
  t.equal(load(t, kubeconfig({ server: 'https://192.0.2.1/' }), 'test').server, good.server);
});

t.test('all requests of a connection go over one TLS connection, and end with it', async (t) => {
  const own = await certificate({ addresses: ['127.0.0.1'] });
  let connections = 0;
  let requests = 0;
  const https = createTlsServer(own, (_request, response) => {
    requests++;
    response.end('{}');
  });
  https.on('secureConnection', () => connections++);
  const { port } = await listening(https);
  t.teardown(() => {
    https.closeAllConnections();
    https.close();
  });
  const client = load(
    t,
    kubeconfig({ server: `https://127.0.0.1:${port}`, caFile: 'ca.crt' }),
    'test',
    { 'ca.crt': own.cert },
  );
  {
    await using connection = await client.connect(never);
    for (let page = 0; page < 10; page++) await connection.getJson('/api/v1/pods', {}, never);
  }
  t.equal(requests, 10);
  t.equal(connections, 1);
  const idle = new Promise<number>((resolve) => {
    const look = () =>
      https.getConnections((_error, open) => (open === 0 ? resolve(open) : setImmediate(look)));
    look();
  });
  t.equal(await idle, 0);
});

t.test('a token is accepted only for the audience that is asked about', async (t) => {
  const answers = [
    { authenticated: true, audiences: ['khan'], user: { username: 'agent' } },
    { authenticated: true, audiences: ['other'], user: { username: 'agent' } },
    { authenticated: true, user: { username: 'agent' } },
    { error: 'expired' },
    {},
  ];
  const asked: unknown[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const review: any = await json(request);
    asked.push(review.spec);
    response.end(JSON.stringify({ status: answers.shift() }));
  };
  const client = await server(t, (request, response) => void answer(request, response));
  await using reviewer = new TokenReviewer({ client, audience: 'khan' });
  t.strictSame(await reviewer.review('a'), {
    authenticated: true,
    username: 'agent',
    node: undefined,
  });
  t.strictSame(asked, [{ token: 'a', audiences: ['khan'] }]);
  t.match(await reviewer.review('a'), { authenticated: false, reason: /not for khan/ });
  t.match(await reviewer.review('a'), { authenticated: false }, 'a server without audiences');
  t.strictSame(await reviewer.review('a'), { authenticated: false, reason: 'expired' });
  t.match(await reviewer.review('a'), { authenticated: false });
});

t.test('an API server that does not review tokens is an error, not a refusal', async (t) => {
  const client = await server(t, (_request, response) => response.writeHead(403).end('{}'));
  await using reviewer = new TokenReviewer({ client, audience: 'khan' });
  await t.rejects(reviewer.review('a'), { name: 'ApiError', message: /403/ });
});
