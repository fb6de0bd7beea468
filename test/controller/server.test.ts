import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js';
import t, { type Test } from 'tap';
import type { Review } from '../../src/cluster/token-review.ts';
import { Authenticator } from '../../src/controller/authenticate.ts';
import type { ServerOptions } from '../../src/controller/server.ts';
import { RANK } from '../../src/inventory/claim.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { controllerServer } from '../builders/controller-server.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const AGENT = 'system:serviceaccount:khan:khan-agent';
const ACCEPTED: Review = { authenticated: true, username: AGENT, node: 'node-a' };
const JSON_TYPE = { 'content-type': 'application/json' };

async function server(t: Test, options: Partial<ServerOptions> = {}) {
  const clock = { nowMs: 0 };
  const inventory = options.inventory ?? new Inventory({ now: () => clock.nowMs });
  const { app, metrics } = controllerServer({ inventory, log: capturedLog().log, ...options });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  const resolve = async (body: object, headers: Record<string, string> = {}) =>
    fetch(`${origin}/v1/resolve`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...headers },
      body: JSON.stringify(body),
    });
  return { app, clock, inventory, metrics, origin, resolve };
}

/** Knows two tokens: `agent` of a pod on node-a, and `other` of another ServiceAccount. */
function authenticator({ log } = capturedLog()): Authenticator {
  return new Authenticator({
    log,
    serviceAccounts: ['khan/khan-agent'],
    review: async (token) => {
      if (token === 'away') throw new Error('ECONNREFUSED');
      if (token === 'agent') return ACCEPTED;
      if (token === 'other') return { authenticated: true, username: 'other', node: undefined };
      return { authenticated: false, reason: 'invalid bearer token' };
    },
  });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

t.test('only known callers are answered, and only for their own node', async (t) => {
  const { metrics, origin, resolve } = await server(t, { authenticator: authenticator() });
  const status = async (node: string, headers = {}) => (await resolve({ node }, headers)).status;
  t.equal(await status('node-a'), 401);
  t.equal(await status('node-a', bearer('forged')), 401);
  t.equal(await status('node-a', bearer('other')), 403);
  t.equal(await status('node-a', bearer('away')), 503);
  t.equal(await status('node-b', bearer('agent')), 403);
  t.equal(await status('node-a', bearer('agent')), 200);
  t.equal((await fetch(`${origin}/v1/inventory`)).status, 401);
  t.equal((await fetch(`${origin}/v1/inventory`, { headers: bearer('agent') })).status, 200);
  const page = await metrics.render();
  for (const line of ['unauthorized"} 2', 'forbidden"} 2', 'unavailable"} 1', 'success"} 1']) {
    t.match(page, `khan_controller_resolve_requests_total{result="${line}\n`);
  }
  t.equal((await fetch(`${origin}/openapi.json`)).status, 200, 'nothing secret');
  t.equal(
    (await fetch(`${origin}/cache`, { headers: bearer('agent') })).status,
    404,
    'not asked for',
  );
});

t.test('a node that asks without a pause is told when to come back; others are not', async (t) => {
  const { metrics, resolve } = await server(t);
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async () => (await resolve({ node: 'node-a' })).status),
  );
  t.ok(
    statuses.every((status) => status === 200),
    'an agent with very many addresses',
  );
  let refused = await resolve({ node: 'node-a' });
  while (refused.status === 200) refused = await resolve({ node: 'node-a' });
  t.equal(refused.status, 429);
  t.match(refused.headers.get('retry-after'), /^[123]$/);
  t.match(await metrics.render(), 'khan_controller_throttled_requests_total 1\n');
  t.equal((await resolve({ node: 'node-b' })).status, 200);
});

t.test('who went away while a token was under review takes no place from others', async (t) => {
  const { promise: hanging, resolve: answer } = Promise.withResolvers<Review>();
  let asked = 0;
  const { app, origin, resolve } = await server(t, {
    authenticator: new Authenticator({
      log: capturedLog().log,
      serviceAccounts: ['khan/khan-agent'],
      review: (token) => {
        asked++;
        return token === 'agent' ? Promise.resolve(ACCEPTED) : hanging;
      },
    }),
  });
  t.equal((await resolve({ node: 'node-a' }, bearer('agent'))).status, 200);
  const gone: Promise<unknown>[] = [];
  app.server.on('request', (_request, response) => gone.push(once(response, 'close')));
  const leave = new AbortController();
  const begun = Array.from({ length: 64 }, async (_, at) =>
    fetch(`${origin}/v1/resolve`, {
      method: 'POST',
      headers: { ...JSON_TYPE, ...bearer(`new-${at}`) },
      body: '{"node": "node-a"}',
      signal: leave.signal,
    }),
  );
  while (asked < 1 + begun.length) await delay(1);
  t.equal((await resolve({ node: 'node-a' }, bearer('agent'))).status, 200, 'known');
  leave.abort();
  await Promise.allSettled([...begun, ...gone]);
  answer(ACCEPTED);
  t.equal((await resolve({ node: 'node-a' }, bearer('agent'))).status, 200, 'all 64 are free');
});

t.test('the metrics tell how many connections are open', async (t) => {
  const { app, metrics, origin } = await server(t);
  const connections = async () =>
    /^khan_controller_connections(?:\{.*\})? (\d+)$/m.exec(await metrics.render())?.[1];
  const { hostname, port } = new URL(origin);
  const sockets = [connect(Number(port), hostname), connect(Number(port), hostname)];
  const [first] = await once(app.server, 'connection');
  await once(app.server, 'connection');
  t.equal(await connections(), '2');
  sockets.forEach((socket) => socket.destroy());
  if (!first.destroyed) await once(first, 'close');
  while ((await connections()) !== '0') await delay(1);
});

function held(name: string, startedAtMs: number) {
  const identity = { type: 'pod', name } as const;
  return [{ address: '10.1.0.1', rank: RANK.pod, identity, startedAtMs }];
}

t.test('who held an address before is told with who holds it', async (t) => {
  const { clock, inventory, resolve } = await server(t);
  inventory.put('old', held('old', 1000));
  const first: any = await (await resolve({ node: 'node-a', want: ['10.1.0.1'] })).json();
  t.strictSame(first.entries, { '10.1.0.1': { type: 'pod', name: 'old', sinceMs: 1000 } });
  clock.nowMs = 5000;
  inventory.remove('old');
  inventory.put('new', held('new', 5000));
  const { epoch, rev: since } = first;
  const next: any = await (
    await resolve({ node: 'node-a', epoch, since, have: ['10.1.0.1'] })
  ).json();
  t.strictSame(next.entries, {
    '10.1.0.1': { type: 'pod', name: 'new', sinceMs: 5000, previous: { type: 'pod', name: 'old' } },
  });
});

t.test('two replicas need not know of each other', async (t) => {
  const replicas = [await server(t), await server(t)];
  // The second one has been through more.
  replicas[1]?.inventory.put('x', [
    { address: '10.9.9.9', rank: RANK.pod, identity: { type: 'pod', name: 'x' } },
  ]);
  const address = '10.1.0.1';
  let known: { epoch: string; rev: number } | undefined;
  for (const [turn, name] of ['a', 'b', 'c', 'd'].entries()) {
    for (const { inventory } of replicas) {
      inventory.put('uid', [{ address, rank: RANK.pod, identity: { type: 'pod', name } }]);
    }
    const asked =
      known === undefined
        ? { want: [address] }
        : { epoch: known.epoch, since: known.rev, have: [address] };
    const response = await replicas[turn % 2]!.resolve({ node: 'node-a', ...asked });
    const answer: any = await response.json();
    t.equal(answer.reset, turn > 0 || known === undefined, 'each time the other one');
    t.equal(answer.entries[address].name, name);
    known = answer;
  }
});

t.test('the inventory is told in pages, each address once', async (t) => {
  const { inventory, origin } = await server(t);
  const addresses = Array.from({ length: 25 }, (_, at) => `10.1.0.${at}`);
  for (const address of addresses) {
    inventory.put(address, [{ address, rank: RANK.pod, identity: { type: 'pod', name: address } }]);
  }
  const seen: string[] = [];
  let next: string | undefined = '';
  let pages = 0;
  while (next !== undefined) {
    const query = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const page: any = await (await fetch(`${origin}/v1/inventory?limit=10${query}`)).json();
    seen.push(...Object.keys(page.entries));
    next = page.continue;
    pages++;
    inventory.remove('10.1.0.3');
  }
  t.equal(pages, 3);
  t.strictSame(seen.toSorted(), addresses.toSorted());
  for (const limit of ['0', '5001', 'all']) {
    t.equal((await fetch(`${origin}/v1/inventory?limit=${limit}`)).status, 400, limit);
  }
});

t.test('the original cache is an object by address in which every value is text', async (t) => {
  const { inventory, origin } = await server(t, { hasOriginalCache: true });
  t.strictSame(await (await fetch(`${origin}/cache`)).json(), {});
  const node = { type: 'node', name: 'node-a', node: 'node-a' } as const;
  inventory.put('n', [{ address: '192.168.1.2', rank: RANK.nodeInternalIp, identity: node }]);
  const web = {
    type: 'pod',
    namespace: 'shop',
    name: 'web-0',
    app: 'web',
    node: 'node-a',
  } as const;
  inventory.put('p', [{ address: '10.1.0.1', rank: RANK.pod, identity: web }]);
  for (let at = 0; at < 600; at++) {
    const identity = { type: 'service', name: `s${at}` } as const;
    inventory.put(`s${at}`, [
      { address: `10.96.${at >> 8}.${at & 255}`, rank: RANK.serviceClusterIp, identity },
    ]);
  }
  const cache: any = await (await fetch(`${origin}/cache`)).json();
  t.equal(Object.keys(cache).length, 602);
  t.strictSame(cache['10.1.0.1'], {
    type: 'pod',
    namespace: 'shop',
    name: 'web-0',
    app: 'web',
    nodeIP: '192.168.1.2',
  });
  t.strictSame(cache['192.168.1.2'], {
    type: 'node',
    namespace: '',
    name: 'node-a',
    app: '',
    nodeIP: '192.168.1.2',
  });
});

t.test('a connection ends after its time, with an answer', async (t) => {
  const { resolve } = await server(t, { connectionAgeMsMax: 100 });
  const connection = async () => (await resolve({ node: 'node-a' })).headers.get('connection');
  t.equal(await connection(), 'keep-alive');
  await delay(150);
  t.equal(await connection(), 'close');
  t.equal(await connection(), 'keep-alive', 'a new one');
});

t.test('the OpenAPI document describes what the server answers', async (t) => {
  const { inventory, origin, resolve } = await server(t, { authenticator: authenticator() });
  const document: any = await (await fetch(`${origin}/openapi.json`)).json();
  t.match(document.openapi, /^3\.1\./);
  t.strictSame(Object.keys(document.paths).toSorted(), ['/v1/inventory', '/v1/resolve']);
  t.match(document, {
    components: { securitySchemes: { serviceAccountToken: { type: 'http', scheme: 'bearer' } } },
    security: [{ serviceAccountToken: [] }],
  });

  const identity = { type: 'pod', name: 'web-0' } as const;
  inventory.put('p', [{ address: '10.1.0.1', rank: RANK.pod, identity, startedAtMs: 1 }]);
  const ajv = new Ajv2020({ strict: false });
  const known = bearer('agent');
  const get = async (query: string, headers = {}) =>
    fetch(`${origin}/v1/inventory${query}`, { headers });
  const untilTooOften = async () => {
    let response = await resolve({ node: 'node-a' }, known);
    while (response.ok) response = await resolve({ node: 'node-a' }, known);
    return response;
  };
  const raw = async (headers: Record<string, string>, body: string) =>
    fetch(`${origin}/v1/resolve`, { method: 'POST', headers: { ...known, ...headers }, body });
  const answers: readonly (readonly [path: string, method: string, response: Response])[] = [
    ['/v1/resolve', 'post', await resolve({ node: 'node-a', want: ['10.1.0.1'] }, known)],
    ['/v1/resolve', 'post', await resolve({}, known)],
    ['/v1/resolve', 'post', await resolve({ node: 'node-a' })],
    ['/v1/resolve', 'post', await resolve({ node: 'node-b' }, known)],
    ['/v1/resolve', 'post', await resolve({ node: 'node-a' }, bearer('away'))],
    ['/v1/resolve', 'post', await raw(JSON_TYPE, ' '.repeat(300_000))],
    ['/v1/resolve', 'post', await raw({ 'content-type': 'text/plain' }, 'x')],
    ['/v1/inventory', 'get', await get('', known)],
    ['/v1/inventory', 'get', await get('?limit=0', known)],
    ['/v1/inventory', 'get', await get('')],
    ['/v1/inventory', 'get', await get('', bearer('other'))],
    ['/v1/inventory', 'get', await get('', bearer('away'))],
    ['/v1/resolve', 'post', await untilTooOften()],
  ];
  for (const [path, method, response] of answers) {
    const documented = document.paths[path][method].responses[response.status];
    const what = `${method} ${path} ${response.status}`;
    const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
    const schema: AnySchema = documented?.content?.[type]?.schema ?? false;
    const validate = ajv.compile(schema);
    t.ok(validate(await response.json()), `${what}: ${ajv.errorsText(validate.errors)}`);
  }
  for (const [path, methods] of Object.entries<any>(document.paths)) {
    for (const [method, { responses }] of Object.entries<any>(methods)) {
      const seen = answers.filter((each) => each[0] === path && each[1] === method);
      const statuses = seen.map(([, , response]) => String(response.status));
      t.strictSame([...new Set(statuses)].toSorted(), Object.keys(responses), `all of ${path}`);
    }
  }
});
