import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { TokenReviewer } from '../../src/cluster/token-review.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { KubeApi } from '../fakes/kube-api.ts';

const AUDIENCE = 'khan-controller';
const USERNAME = 'system:serviceaccount:khan:khan-agent';

async function reviewing(t: Test, user: object = {}) {
  const api = await KubeApi.listen(t);
  const text = kubeconfig({ server: `http://${api.host}`, user });
  const clock = { nowMs: 0 };
  const reviewer = new TokenReviewer({
    client: ClusterClient.load({
      kubeconfig: join(t.testdir({ kubeconfig: text }), 'kubeconfig'),
    }),
    audience: AUDIENCE,
    now: () => clock.nowMs,
  });
  t.teardown(() => reviewer[Symbol.asyncDispose]());
  /** What is made of a TokenReviewStatus. */
  const judged = async (status: object) => {
    const review = reviewer.review('a.b.c');
    (await api.next()).json(201, { kind: 'TokenReview', status });
    return review;
  };
  return { api, clock, judged, reviewer };
}

t.test('the API server is asked about the token and the audience', async (t) => {
  const { api, reviewer } = await reviewing(t);
  const review = reviewer.review('a.b.c');
  const call = await api.next();
  t.equal(`${call.method} ${call.path}`, 'POST /apis/authentication.k8s.io/v1/tokenreviews');
  t.equal(call.headers['content-type'], 'application/json');
  t.strictSame(await call.body(), {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token: 'a.b.c', audiences: [AUDIENCE] },
  });
  const extra = { 'authentication.kubernetes.io/node-name': ['node-a'] };
  const user = { username: USERNAME, uid: '1', extra };
  call.json(201, { status: { authenticated: true, user, audiences: [AUDIENCE] } });
  t.strictSame(await review, { authenticated: true, username: USERNAME, node: 'node-a' });
});

t.test('a token without a node claim has no node', async (t) => {
  const { judged } = await reviewing(t);
  const user = { username: USERNAME };
  t.strictSame(await judged({ authenticated: true, user, audiences: ['x', AUDIENCE] }), {
    authenticated: true,
    username: USERNAME,
    node: undefined,
  });
});

t.test('a token is refused unless the API server says that it is for this audience', async (t) => {
  const { judged } = await reviewing(t);
  const user = { username: USERNAME };
  const refused: readonly [status: object, reason: string | RegExp][] = [
    [{}, /does not know the token/],
    [{ authenticated: false, error: 'token has expired' }, 'token has expired'],
    [{ user, audiences: [AUDIENCE] }, /does not know the token/],
    [{ authenticated: 'true', user, audiences: [AUDIENCE] }, /does not know the token/],
    [{ authenticated: true, user }, 'the token is not for khan-controller'],
    [{ authenticated: true, user, audiences: [] }, 'the token is not for khan-controller'],
    [{ authenticated: true, user, audiences: ['other'] }, 'the token is not for khan-controller'],
  ];
  for (const [status, reason] of refused) {
    t.match(await judged(status), { authenticated: false, reason }, JSON.stringify(status));
  }
});

t.test('an API server that cannot be asked is an error, not a refusal', async (t) => {
  const { api, judged, reviewer } = await reviewing(t);
  const failing = reviewer.review('a.b.c');
  (await api.next()).refuse(500);
  await t.rejects(failing, { name: 'ApiError', status: 500 });
  const forbidden = reviewer.review('a.b.c');
  (await api.next()).refuse(403);
  await t.rejects(forbidden, { name: 'ApiError', status: 403 });
  const cut = reviewer.review('a.b.c');
  (await api.next()).reset();
  await t.rejects(cut);
  await api.stop();
  await t.rejects(reviewer.review('a.b.c'), { code: 'ECONNREFUSED' });
  await api.start();
  t.match(await judged({ authenticated: false }), { authenticated: false }, 'it is asked again');
});

t.test('credentials that cannot be had are asked for again with the next review', async (t) => {
  const tokenFile = join(t.testdirName, 'token');
  const provider = { name: 'tokenFile', config: { tokenFile } };
  const { judged, reviewer } = await reviewing(t, { 'auth-provider': provider });
  await t.rejects(reviewer.review('a.b.c'), /Cannot get credentials/);
  await writeFile(tokenFile, 'late');
  t.match(await judged({}), { authenticated: false });
});

t.test('reviews share a connection, until its credentials are a minute old', async (t) => {
  const { api, clock, judged } = await reviewing(t);
  for (const [nowMs, connections] of [
    [0, 1],
    [60_000, 1],
    [60_001, 2],
    [120_001, 2],
    [120_002, 3],
  ] as const) {
    clock.nowMs = nowMs;
    await judged({});
    t.equal(api.connections, connections, `${nowMs} ms`);
  }
});

t.test('closed, it lets nobody wait and leaves nothing open', async (t) => {
  const { api, reviewer } = await reviewing(t);
  const review = reviewer.review('a.b.c');
  const call = await api.next();
  await Promise.all([
    t.rejects(review, { name: 'AbortError' }),
    reviewer[Symbol.asyncDispose](),
    call.gone(),
  ]);
  await api.idle();
  await t.rejects(reviewer.review('a.b.c'), { name: 'AbortError' });
  t.equal(api.unseen, 0);
});
