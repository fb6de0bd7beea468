import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { ResolveClient } from '../../src/agent/resolve-client.ts';
import { listening } from '../builders/listening.ts';

const QUESTION = { node: 'node-a', have: [], want: ['10.1.0.11'] };
const ANSWER = {
  epoch: 'e',
  rev: 1,
  synced: true,
  stale: false,
  entries: { '10.1.0.11': { type: 'pod', name: 'web-1' } },
  gone: [],
  reset: true,
  nextPollMs: 30_000,
};
const never = new AbortController().signal;

/** A controller that answers as it is told. */
async function client(t: Test, listener: RequestListener, totalMsMax = 10_000) {
  const server = createServer(listener);
  const { url } = await listening(server);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const resolver = new ResolveClient(url, { totalMsMax });
  t.teardown(() => resolver[Symbol.dispose]());
  return { server, url, ask: (signal = never) => resolver.ask(QUESTION, { signal }) };
}

t.test('ask() posts gzip, takes gzip, and keeps its connection', async (t) => {
  const seen: unknown[] = [];
  let connections = 0;
  const { ask, server } = await client(t, (request, response) => {
    request.once('data', (body: Buffer) => {
      seen.push([request.method, request.url, JSON.parse(gunzipSync(body).toString())]);
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(JSON.stringify(ANSWER)));
    });
  });
  server.on('connection', () => connections++);
  t.strictSame(await ask(), ANSWER);
  t.strictSame(await ask(), ANSWER);
  t.strictSame(seen[0], ['POST', '/v1/resolve', QUESTION]);
  t.equal(connections, 1);
});

t.test('a refusal gives its status, its reason, and when to ask again', async (t) => {
  const { ask } = await client(t, (_request, response) => {
    response.writeHead(503, { 'retry-after': '5' }).end('{"detail":"not complete"}');
  });
  await t.rejects(ask(), {
    name: 'Unanswered',
    message: 'Cannot ask the controller: answered 503 {"detail":"not complete"}',
    reason: 'unavailable',
    retryAfterMs: 5000,
  });
});

t.test('each status that is no answer has a reason', async (t) => {
  for (const [status, reason] of [
    [400, 'refused'],
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'refused'],
    [413, 'refused'],
    [429, 'busy'],
    [500, 'unavailable'],
    [503, 'unavailable'],
    [204, 'refused'],
  ] as const) {
    const { ask } = await client(t, (_request, response) => response.writeHead(status).end());
    await t.rejects(
      ask(),
      { name: 'Unanswered', reason, retryAfterMs: 0, addressesMax: undefined },
      String(status),
    );
  }
});

t.test('a question that is too long says how long it may be', async (t) => {
  for (const [asked, body, addressesMax] of [
    [10, '{"status":413,"addressesMax":7}', 7],
    [10, '{"status":413,"addressesMax":10}', 5],
    [10, '{"status":413,"bodyBytesMax":1000}', 5],
    [11, '<html>', 5],
    [1, '{"status":413,"addressesMax":1}', undefined],
    [0, '', undefined],
  ] as const) {
    const { url } = await client(t, (_request, response) => response.writeHead(413).end(body));
    using resolver = new ResolveClient(url);
    const want = Array.from({ length: asked }, (_, at) => `10.0.0.${at}`);
    const refused = resolver.ask({ node: 'node-a', want }, { signal: never });
    await t.rejects(
      refused,
      { name: 'Unanswered', reason: 'refused', addressesMax },
      `${asked} ${body}`,
    );
  }
});

t.test('a connection that the controller ends is made anew', async (t) => {
  let connections = 0;
  const { ask, server } = await client(t, (_request, response) => {
    response.setHeader('connection', 'close').end(JSON.stringify(ANSWER));
  });
  server.on('connection', () => connections++);
  t.strictSame(await ask(), ANSWER);
  t.strictSame(await ask(), ANSWER);
  t.equal(connections, 2);
});

t.test('an answer that is none is an error', async (t) => {
  for (const [body, message] of [
    ['<html>', /is not valid JSON/],
    ['{}', 'Cannot read the answer of /v1/resolve: epoch: missing'],
  ] as const) {
    const { ask } = await client(t, (_request, response) => response.end(body));
    await t.rejects(ask(), { name: 'Unanswered', reason: 'malformed', cause: { message } });
  }
});

t.test('an answer without end is cut off, compressed or not', async (t) => {
  const endless = await client(t, (_request, response) => {
    const more = (): void => {
      while (response.write('x'.repeat(65_536)));
    };
    response.on('drain', more).on('close', () => response.destroy());
    more();
  });
  await t.rejects(endless.ask(), {
    message: 'Cannot read the answer of the controller: more than 8388608 bytes',
    reason: 'malformed',
  });
  const bomb = gzipSync(Buffer.alloc(9 * 1024 * 1024));
  const compressed = await client(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
  });
  await t.rejects(compressed.ask(), {
    reason: 'malformed',
    cause: { code: 'ERR_BUFFER_TOO_LARGE' },
  });
});

t.test('a controller that does not answer is given up', async (t) => {
  const { ask } = await client(t, () => {}, 20);
  await t.rejects(ask(), { name: 'Unanswered', reason: 'timeout' });
});

t.test('a controller that stops in the middle of its answer is given up', async (t) => {
  const { ask } = await client(t, (_request, response) => response.write('{'), 50);
  await t.rejects(ask(), { name: 'Unanswered', reason: 'timeout' });
});

t.test('a signal ends the question', async (t) => {
  const stop = new AbortController();
  const { ask } = await client(t, () => stop.abort());
  await t.rejects(ask(stop.signal), { name: 'AbortError' });
});

t.test('no HTTP, nobody there and a cut connection are errors', async (t) => {
  const broken = createTcpServer((socket) =>
    socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
  );
  const cut = createTcpServer((socket) => socket.destroy());
  for (const server of [broken, cut]) {
    const { url } = await listening(server);
    t.teardown(() => server.close());
    const resolver = new ResolveClient(url);
    await t.rejects(resolver.ask(QUESTION, { signal: never }), {
      name: 'Unanswered',
      reason: 'connection',
    });
  }
  const { url, server } = await client(t, () => {});
  server.close();
  await once(server, 'close');
  await t.rejects(new ResolveClient(url).ask(QUESTION, { signal: never }), {
    reason: 'connection',
    cause: { code: 'ECONNREFUSED' },
  });
});

t.test('what is no URL of a controller is a wrong setting', async (t) => {
  for (const url of ['controller:8080', '', 'ftp://controller', 'http://']) {
    t.throws(() => new ResolveClient(url), {
      message: `Cannot ask the controller at ${url}: not an http or https URL`,
      exitCode: 2,
    });
  }
});
