import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { TokenReviewer } from '../../src/cluster/token-review.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { listening } from '../builders/listening.ts';

async function server(t: Test, listener: RequestListener) {
  const http = createServer(listener);
  const { url } = await listening(http);
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  const folder = t.testdir({ kubeconfig: kubeconfig({ server: url }) });
  return ClusterClient.load({ kubeconfig: join(folder, 'kubeconfig') });
}

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
