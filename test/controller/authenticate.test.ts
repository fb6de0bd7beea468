import t from 'tap';
import {
  Authenticator,
  requireNode,
  type ReviewResult,
} from '../../src/controller/authenticate.ts';
import type { Review } from '../../src/cluster/token-review.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const AGENT = 'system:serviceaccount:khan:khan-agent';
const ACCEPTED: Review = { authenticated: true, username: AGENT, node: 'node-a' };
const REFUSED: Review = { authenticated: false, reason: 'invalid bearer token' };
const MINUTE_MS = 60_000;

/** A token as the API server signs it; nobody but that server looks at the signature. */
function jwt(claims: object): string {
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return `header.${payload}.signature`;
}

function authenticator(
  answer: () => Review | Promise<Review>,
  options: { readonly tokensMax?: number; readonly waitMsMax?: number } = {},
) {
  const clock = { nowMs: 1_000_000 };
  const asked: string[] = [];
  const results: ReviewResult[] = [];
  const { log, lines } = capturedLog();
  const subject = new Authenticator({
    ...options,
    review: async (token) => {
      asked.push(token);
      return answer();
    },
    serviceAccounts: ['khan/khan-agent'],
    reviewed: (result) => results.push(result),
    log,
    now: () => clock.nowMs,
  });
  const ask = async (token: string) => subject.authenticate(`Bearer ${token}`);
  return { asked, ask, clock, lines, results, subject };
}

t.test(
  'who is in the list is known by name and node, and is reviewed once in 5 minutes',
  async (t) => {
    const { ask, asked, clock, results } = authenticator(() => ACCEPTED);
    t.strictSame(await ask('a'), { username: AGENT, node: 'node-a' });
    clock.nowMs += 5 * MINUTE_MS - 1;
    await ask('a');
    t.strictSame(asked, ['a']);
    clock.nowMs += 2;
    await ask('a');
    t.strictSame(asked, ['a', 'a']);
    t.strictSame(results, ['accepted', 'accepted']);
  },
);

t.test('many requests with a new token are one question', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Review>();
  const { ask, asked } = authenticator(() => promise);
  const all = Promise.all(Array.from({ length: 50 }, () => ask('a')));
  resolve(ACCEPTED);
  t.equal((await all).length, 50);
  t.equal(asked.length, 1);
});

t.test('no token, or what is none, is 401, and nobody is asked', async (t) => {
  const { asked, subject } = authenticator(() => ACCEPTED);
  const headers = [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic dXNlcjpwYXNz',
    'Bearer a b',
    `Bearer ${'a'.repeat(20_000)}`,
  ];
  for (const header of headers) {
    await t.rejects(subject.authenticate(header), {
      name: 'Problem',
      statusCode: 401,
      headers: { 'www-authenticate': 'Bearer' },
    });
  }
  t.strictSame(asked, []);
});

t.test('a token that is refused is 401, and asked about again after 10 seconds', async (t) => {
  let review: Review = REFUSED;
  const { ask, asked, clock, results } = authenticator(() => review);
  await t.rejects(ask('a'), {
    name: 'Problem',
    statusCode: 401,
    message: 'The token is not accepted: invalid bearer token',
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });
  review = ACCEPTED;
  await t.rejects(ask('a'), { name: 'Problem', statusCode: 401 });
  clock.nowMs += 10_001;
  t.match(await ask('a'), { username: AGENT });
  t.equal(asked.length, 2);
  t.strictSame(results, ['refused', 'accepted']);
});

t.test('a ServiceAccount that is not in the list is 403', async (t) => {
  const username = 'system:serviceaccount:khan:other';
  const { ask } = authenticator(() => ({ ...ACCEPTED, username }));
  await t.rejects(ask('a'), {
    name: 'Problem',
    statusCode: 403,
    message: `${username} may not ask here`,
  });
});

t.test('while the API server is away, a known token is good until it expires', async (t) => {
  let isAway = false;
  const { ask, clock, results } = authenticator(() => {
    if (isAway) throw new Error('ECONNREFUSED');
    return ACCEPTED;
  });
  const token = jwt({ exp: (clock.nowMs + 60 * MINUTE_MS) / 1000 });
  await ask(token);
  isAway = true;
  clock.nowMs += 59 * MINUTE_MS;
  t.match(await ask(token), { username: AGENT });
  await t.rejects(ask('b'), {
    name: 'Problem',
    statusCode: 503,
    headers: { 'retry-after': /^\d+$/ },
  });
  clock.nowMs += MINUTE_MS;
  await t.rejects(ask(token), { name: 'Problem', statusCode: 401, message: /expired/ });
  t.ok(results.includes('failed'));
});

t.test('a token is not kept for longer than it is good', async (t) => {
  const { ask, asked, clock } = authenticator(() => ACCEPTED);
  const token = jwt({ exp: clock.nowMs / 1000 + 30 });
  await ask(token);
  clock.nowMs += 31_000;
  await t.rejects(ask(token), { name: 'Problem', statusCode: 401 });
  t.equal(asked.length, 2);
});

t.test('a token that names its node asks for that node only', async (t) => {
  const caller = { username: AGENT, node: 'node-a' };
  t.doesNotThrow(() => requireNode(caller, 'node-a'));
  t.throws(() => requireNode(caller, 'node-b'), { name: 'Problem', statusCode: 403 });
  t.doesNotThrow(
    () => requireNode({ ...caller, node: undefined }, 'node-b'),
    'an older API server',
  );
  t.doesNotThrow(() => requireNode(undefined, 'node-b'), 'nobody is asked who they are');
});

t.test('of many tokens that nobody knows, few are under review at a time', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Review>();
  const { ask, asked } = authenticator(() => promise);
  const invented = Array.from({ length: 100 }, (_, number) => ask(`token-${number}`));
  const settled = Promise.allSettled(invented);
  await new Promise(setImmediate);
  t.equal(asked.length, 64);
  resolve(REFUSED);
  const codes = (await settled).map((each) => each.status === 'rejected' && each.reason.statusCode);
  t.equal(asked.length, 100, 'the others had their turn');
  t.strictSame(codes, Array<number>(100).fill(401));
});

t.test('who waits too long for a review is told to come back, not all at once', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Review>();
  const { ask, asked } = authenticator(() => promise, { waitMsMax: 1 });
  const keepAlive = setInterval(() => {}, 1000);
  const first = Array.from({ length: 64 }, (_, number) => ask(`token-${number}`));
  const late = Array.from({ length: 100 }, (_, number) => ask(`late-${number}`));
  const problems = (await Promise.allSettled(late)).map((each) =>
    each.status === 'rejected' ? each.reason : undefined,
  );
  clearInterval(keepAlive);
  t.equal(asked.length, 64);
  t.ok(problems.every(({ statusCode }) => statusCode === 503));
  const seconds = problems.map(({ headers }) => Number(headers['retry-after']));
  t.ok(seconds.every((each) => each >= 5 && each <= 15));
  t.ok(new Set(seconds).size > 3);
  resolve(ACCEPTED);
  await Promise.all(first);
});

t.test('while the API server does not answer, few wait for it, and the others go on', async (t) => {
  const { promise, resolve } = Promise.withResolvers<Review>();
  let isHanging = false;
  const { ask, clock } = authenticator(() => (isHanging ? promise : ACCEPTED));
  const tokens = Array.from({ length: 100 }, (_, number) => `token-${number}`);
  for (const token of tokens) await ask(token);
  isHanging = true;
  clock.nowMs += 6 * MINUTE_MS;
  let answered = 0;
  const all = tokens.map(async (token) => {
    await ask(token);
    answered++;
  });
  await Promise.all(all.slice(64));
  t.equal(answered, 36);
  resolve(ACCEPTED);
  await Promise.all(all);
});

t.test('that tokens cannot be reviewed is said once, and so is that they can again', async (t) => {
  let isAway = true;
  const { ask, lines } = authenticator(() => {
    if (isAway) throw new Error('ECONNREFUSED');
    return ACCEPTED;
  });
  for (const token of ['a-secret', 'b-secret']) {
    await t.rejects(ask(token), { name: 'Problem', statusCode: 503 });
  }
  isAway = false;
  for (const token of ['a-secret', 'b-secret']) await ask(token);
  t.match(lines, [
    { level: 50, msg: /^Cannot review tokens/, err: { message: 'ECONNREFUSED' } },
    { level: 30, msg: 'Tokens are reviewed again' },
  ]);
  t.equal(lines.length, 2);
  t.notMatch(JSON.stringify(lines), 'secret');
});

t.test(
  'of more tokens than can be remembered, the one unused for longest is reviewed anew',
  async (t) => {
    const { ask, asked } = authenticator(() => ACCEPTED, { tokensMax: 2 });
    for (const token of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(token);
    t.strictSame(asked, ['a', 'b', 'c', 'b']);
  },
);
