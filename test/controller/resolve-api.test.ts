import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { RANK } from '../../src/inventory/claim.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { ADDRESSES_MAX, REQUEST_BYTES_MAX } from '../../src/inventory/wire.ts';
import { controllerServer } from '../builders/controller-server.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const web = { type: 'pod', namespace: 'shop', name: 'web-1' } as const;
const api = { type: 'service', namespace: 'shop', name: 'api' } as const;
const HISTORY_MS = 15 * 60_000;
const JSON_TYPE = { 'content-type': 'application/json' };
const JSON_HEAD = 'content-type: application/json\r\n';

/** A controller on loopback. */
async function controller(t: Test, options: { readonly waitMsMax?: number } = {}) {
  const clock = { nowMs: 0 };
  const inventory = new Inventory({ now: () => clock.nowMs });
  const state = { synced: true, stale: false };
  const { log, lines } = capturedLog();
  const { app, metrics } = controllerServer({ inventory, state: () => state, log, ...options });
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  const post = (
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = JSON_TYPE,
  ) => fetch(`${origin}/v1/resolve`, { method: 'POST', body, headers });
  const resolve = async (request: object): Promise<any> => {
    const response = await post(JSON.stringify({ node: 'node-a', ...request }));
    t.equal(response.status, 200);
    return response.json();
  };
  const put = (uid: string, address: string, identity: typeof web | typeof api) =>
    inventory.put(uid, [{ address, rank: RANK.serviceClusterIp, identity }]);
  const port = Number(new URL(origin).port);
  return { app, clock, inventory, lines, metrics, origin, port, post, put, resolve, state };
}

/** Asserts that a response is a problem of RFC 9457 and gives its members. */
async function problem(t: Test, response: Response, status: number): Promise<any> {
  t.equal(response.status, status);
  t.equal(response.headers.get('content-type')?.split(';')[0], 'application/problem+json');
  const body: any = await response.json();
  t.equal(body.status, status);
  t.equal(body.type, 'about:blank');
  t.type(body.title, 'string');
  return body;
}

t.test('what is wanted is answered, and what nobody owns is left out', async (t) => {
  const { put, resolve } = await controller(t);
  put('a', '10.1.0.11', web);
  const answer = await resolve({ want: ['10.1.0.11', '10.1.0.12', 'web', '__proto__'] });
  t.match(answer, { rev: 1, synced: true, stale: false, gone: [], nextPollMs: 30_000 });
  t.strictSame(answer.entries, { '10.1.0.11': web });
});

t.test('what the agent has is answered only if it changed', async (t) => {
  const { put, inventory, resolve } = await controller(t);
  put('a', '10.1.0.11', web);
  put('b', '10.1.0.12', web);
  put('c', '10.1.0.13', web);
  const have = ['10.1.0.11', '10.1.0.12', '10.1.0.13'];
  const { epoch, rev: since } = await resolve({ want: have });
  t.match(await resolve({ epoch, since, have }), { entries: {}, gone: [], reset: false });

  put('b', '10.1.0.12', api);
  inventory.remove('c');
  const answer = await resolve({ epoch, since, have });
  t.strictSame(answer.entries, { '10.1.0.12': api });
  t.strictSame(answer.gone, ['10.1.0.13']);
  t.equal(answer.reset, false);
});

t.test('an unknown epoch resets: what the agent has counts as wanted', async (t) => {
  const { put, resolve } = await controller(t);
  put('a', '10.1.0.11', web);
  for (const known of [{}, { epoch: 'of another replica', since: 1 }]) {
    const answer = await resolve({ ...known, have: ['10.1.0.11', '10.1.0.12'] });
    t.strictSame(answer.entries, { '10.1.0.11': web });
    t.match(answer, { reset: true, gone: [] });
  }
});

t.test('a revision from before the history, or from the future, resets', async (t) => {
  const { clock, inventory, put, resolve } = await controller(t);
  put('a', '10.1.0.11', web);
  const { epoch, rev } = await resolve({});
  t.match(await resolve({ epoch, since: rev + 1, have: ['10.1.0.11'] }), { reset: true });
  put('b', '10.1.0.12', web);
  inventory.remove('b');
  clock.nowMs = HISTORY_MS;
  const answer = await resolve({ epoch, since: rev, have: ['10.1.0.11', '10.1.0.12'] });
  t.match(answer, { reset: true, gone: [], entries: { '10.1.0.11': web } });
});

t.test('the answer says when a source is away', async (t) => {
  const { resolve, state } = await controller(t);
  state.stale = true;
  t.match(await resolve({}), { synced: true, stale: true });
});

t.test('before all sources are read, the answer is 503 with Retry-After', async (t) => {
  const { post, state } = await controller(t);
  state.synced = false;
  const response = await post('{"node": "node-a"}');
  t.equal(response.headers.get('retry-after'), '5');
  await problem(t, response, 503);
  state.synced = true;
});

t.test('a body that is no JSON or not of the schema is answered 400', async (t) => {
  const { post } = await controller(t);
  for (const [body, detail] of [
    ['{', 'The body is not JSON'],
    ['', 'The body is not JSON'],
    ['[]', 'body must be object'],
    ['{}', "body must have required property 'node'"],
    ['{"node": "a", "since": -1}', 'body/since must be >= 0'],
    ['{"node": "a", "want": "10.0.0.1"}', 'body/want must be array'],
    ['{"node": "a", "want": [1]}', 'body/want/0 must be string'],
  ] as const) {
    t.equal((await problem(t, await post(body), 400)).detail, detail);
  }
});

t.test('keys of a newer agent are ignored', async (t) => {
  const { post } = await controller(t);
  t.equal((await post('{"node": "a", "later": 1}')).status, 200);
});

t.test('any other type of content is answered 415', async (t) => {
  const { post } = await controller(t);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
    const { detail } = await problem(t, await post('{}', { 'content-type': type }), 415);
    t.equal(detail, 'The content type is not application/json');
  }
  const untyped = await post(Buffer.from('{}'), {});
  await problem(t, untyped, 415);
});

t.test('a compressed request is read, in gzip alone', async (t) => {
  const { post } = await controller(t);
  const body = gzipSync('{"node": "node-a"}');
  t.equal((await post(body, { ...JSON_TYPE, 'content-encoding': 'gzip' })).status, 200);
  t.equal(
    (await post('{"node": "a"}', { ...JSON_TYPE, 'content-encoding': 'identity' })).status,
    200,
  );
  await problem(t, await post('{"node": "a"}', { ...JSON_TYPE, 'content-encoding': 'gzip' }), 400);
  const refused = await post(body, { ...JSON_TYPE, 'content-encoding': 'br' });
  t.equal(refused.headers.get('accept-encoding'), 'gzip');
  await problem(t, refused, 415);
});

t.test('a large answer is compressed for those who accept it', async (t) => {
  const { port, put } = await controller(t);
  const want = Array.from({ length: 100 }, (_, at) => `10.1.0.${at}`);
  for (const address of want) put(address, address, web);
  const bytes = async (accepted: string) => {
    const body = JSON.stringify({ node: 'node-a', want });
    const head = `POST /v1/resolve HTTP/1.0\r\nhost: a\r\n${JSON_HEAD}`;
    const socket = connect(port, '127.0.0.1');
    socket.write(
      `${head}accept-encoding: ${accepted}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const answer = Buffer.concat(await Array.fromAsync(socket));
    const end = answer.indexOf('\r\n\r\n') + 4;
    return { head: answer.subarray(0, end).toString().toLowerCase(), body: answer.subarray(end) };
  };
  for (const accepted of ['gzip', 'br, gzip;q=0.5', 'GZIP']) {
    const { head, body } = await bytes(accepted);
    t.match(head, 'content-encoding: gzip');
    t.match(JSON.parse(gunzipSync(body).toString()), { entries: { '10.1.0.99': web } });
  }
  for (const accepted of ['identity', 'gzip;q=0', 'gzip; q=0.0, br', 'gzipped']) {
    const { head, body } = await bytes(accepted);
    t.notMatch(head, 'content-encoding');
    t.match(JSON.parse(body.toString()), { entries: { '10.1.0.99': web } });
  }
});

t.test('4,096 addresses are answered, and one more is answered 413 with the limit', async (t) => {
  const { post } = await controller(t);
  const addresses = Array.from({ length: ADDRESSES_MAX }, (_, at) => `10.1.${at >> 8}.${at & 255}`);
  const request = { node: 'node-a', have: addresses.slice(0, 96), want: addresses.slice(96) };
  t.equal((await post(JSON.stringify(request))).status, 200);
  const over = JSON.stringify({ ...request, want: [...request.want, '10.2.0.0'] });
  t.equal((await problem(t, await post(over), 413)).addressesMax, ADDRESSES_MAX);
});

t.test('256 KiB are read, and one byte more is answered 413, compressed or not', async (t) => {
  const { post } = await controller(t);
  const body = '{"node": "node-a"}'.padEnd(REQUEST_BYTES_MAX);
  const gzipped = { ...JSON_TYPE, 'content-encoding': 'gzip' };
  t.equal((await post(body)).status, 200);
  t.equal((await post(gzipSync(body), gzipped)).status, 200);
  const over = await problem(t, await post(`${body} `), 413);
  t.equal(over.bodyBytesMax, REQUEST_BYTES_MAX);
  const bomb = gzipSync(Buffer.alloc(64 * REQUEST_BYTES_MAX, ' '));
  t.ok(bomb.length < REQUEST_BYTES_MAX);
  t.equal((await problem(t, await post(bomb, gzipped), 413)).bodyBytesMax, REQUEST_BYTES_MAX);
});

/** Requests of which the last byte is not sent; there are as many as may be in flight. */
async function beginAll({ app, port }: Awaited<ReturnType<typeof controller>>): Promise<Socket[]> {
  const head = `POST /v1/resolve HTTP/1.1\r\nhost: a\r\n${JSON_HEAD}`;
  const begun: Socket[] = [];
  while (begun.length < 64) {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${head}content-length: 18\r\n\r\n`);
    await once(app.server, 'request');
    begun.push(socket);
  }
  return begun;
}

t.test('the 65th request at a time waits for its turn', async (t) => {
  const server = await controller(t);
  const begun = await beginAll(server);
  let isAnswered = false;
  const waiting = server.post('{"node": "node-a"}').finally(() => (isAnswered = true));
  await once(server.app.server, 'request');
  t.equal(isAnswered, false);
  begun[0]?.write('{"node": "node-a"}');
  t.equal((await waiting).status, 200);
  for (const socket of begun) socket.destroy();
});

t.test('a request that waits too long is answered 429 with Retry-After', async (t) => {
  const server = await controller(t, { waitMsMax: 1 });
  const { app, post } = server;
  const begun = await beginAll(server);
  const refused = await post('{"node": "node-a"}');
  t.match(refused.headers.get('retry-after'), /^[123]$/);
  await problem(t, refused, 429);

  begun[0]?.write('{"node": "node-a"}');
  await once(begun[0] ?? app.server, 'data');
  t.equal((await post('{"node": "node-a"}')).status, 200, 'one that ended makes room');

  for (const socket of begun) socket.destroy();
});

t.test('a page that does not exist is a problem too', async (t) => {
  const { origin } = await controller(t);
  t.match(await problem(t, await fetch(`${origin}/v1/nothing`), 404), {
    detail: 'There is no GET /v1/nothing',
  });
  await problem(t, await fetch(`${origin}/v1/resolve`), 404);
});

t.test('an error inside is logged, and its message stays inside', async (t) => {
  const { inventory, lines, post } = await controller(t);
  inventory.expire = () => {
    throw new Error('secret');
  };
  const { detail } = await problem(t, await post('{"node": "node-a"}'), 500);
  t.equal(detail, 'The request failed');
  t.match(lines, [{ level: 50, err: { message: 'secret' }, url: '/v1/resolve' }]);
});

t.test('the metrics count requests by result, time them, and give the inventory', async (t) => {
  const { app, metrics, port, post, put } = await controller(t);
  put('a', '10.1.0.11', web);
  await post('{"node": "node-a"}');
  await post('{');
  const gone = connect(port, '127.0.0.1');
  gone.write(`POST /v1/resolve HTTP/1.1\r\nhost: a\r\n${JSON_HEAD}content-length: 1\r\n\r\n`);
  const [, answered] = await once(app.server, 'request');
  gone.destroy();
  await once(answered, 'close');
  const page = await metrics.render();
  t.match(page, 'khan_controller_resolve_requests_total{result="success"} 1\n');
  t.match(page, 'khan_controller_resolve_requests_total{result="invalid"} 1\n');
  t.match(page, 'khan_controller_resolve_duration_count 3\n');
  t.match(page, 'khan_controller_resolve_requests_total{result="aborted"} 1\n');
  t.match(page, 'khan_controller_inventory_addresses 1\n');
  t.match(page, 'service_name="khan-controller"');
  t.notMatch(page, 'otel_scope');
});

t.test(
  'an answer is JSON whatever the names and addresses are, and whoever had them',
  async (t) => {
    const { inventory, resolve } = await controller(t);
    const odd = { type: 'pod', name: 'a"b\\c\n', namespace: 'ü' } as const;
    const claim = { address: '10.1.0.11', rank: RANK.pod } as const;
    inventory.put('a', [{ ...claim, identity: odd, startedAtMs: 1 }]);
    inventory.remove('a');
    inventory.put('b', [{ ...claim, identity: web, startedAtMs: 2 }]);
    inventory.put('c', [{ address: 'fd00::1', rank: RANK.pod, identity: odd }]);
    const want = ['10.1.0.11', 'fd00::1', 'fd00::1%"'];
    for (let time = 0; time < 2; time++) {
      const { entries } = await resolve({ want });
      t.strictSame(entries, {
        '10.1.0.11': { ...web, sinceMs: 2, previous: odd },
        'fd00::1': odd,
      });
    }
  },
);
