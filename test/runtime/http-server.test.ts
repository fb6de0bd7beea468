import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { Failure } from '../../src/runtime/failure.ts';
import {
  listenAddress,
  sendText,
  startHttpServer,
  type Routes,
} from '../../src/runtime/http-server.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const LOCAL = { host: '127.0.0.1', port: 0 };

async function start(routes: Routes) {
  const { log, lines } = capturedLog();
  const server = await startHttpServer({ listen: LOCAL, routes, log });
  return { server, lines, url: `http://127.0.0.1:${server.port}` };
}

const hello: Routes = { '/hello': (_request, response) => sendText(response, 200, 'hello') };

t.test('startHttpServer() answers GET by path and leaves the query to the page', async (t) => {
  const { server, url } = await start({
    ...hello,
    '/echo': (request, response) => sendText(response, 200, request.url ?? ''),
  });
  await using _ = server;
  const response = await fetch(`${url}/hello`);
  t.equal(response.status, 200);
  t.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.equal(await response.text(), 'hello\n');
  t.equal(await (await fetch(`${url}/echo?a=1`)).text(), '/echo?a=1\n');
});

t.test('startHttpServer() answers HEAD without a body', async (t) => {
  const { server, url } = await start(hello);
  await using _ = server;
  const response = await fetch(`${url}/hello`, { method: 'HEAD' });
  t.equal(response.status, 200);
  t.equal(await response.text(), '');
});

t.test('startHttpServer() answers any other method with 405 and what is allowed', async (t) => {
  const { server, url } = await start(hello);
  await using _ = server;
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const response = await fetch(`${url}/hello`, { method });
    t.equal(response.status, 405, method);
    t.equal(response.headers.get('allow'), 'GET, HEAD');
    await response.text();
  }
});

t.test('startHttpServer() answers an unknown path with 404, inherited names too', async (t) => {
  const { server, url } = await start(hello);
  await using _ = server;
  for (const path of ['/', '/hello/', '/toString', '//', '/%']) {
    const response = await fetch(url + path);
    t.equal(response.status, 404, path);
    await response.text();
  }
});

t.test('a page that throws is a 500 and one line in the log', async (t) => {
  const failure = new Error('no snapshot');
  const { server, url, lines } = await start({
    '/sync': () => {
      throw failure;
    },
    '/async': async (_request, response) => {
      response.setHeader('Content-Encoding', 'gzip');
      throw failure;
    },
  });
  await using _ = server;
  for (const path of ['/sync', '/async']) {
    const response = await fetch(url + path);
    t.equal(response.status, 500);
    t.equal(response.headers.get('content-encoding'), null, 'the headers of the page are gone');
    t.equal(await response.text(), 'Internal server error\n', 'nothing of the error leaks');
  }
  t.match(lines, [
    { msg: 'Cannot answer GET /sync: its handler failed', err: { message: 'no snapshot' } },
    { msg: 'Cannot answer GET /async: its handler failed' },
  ]);
  t.equal(lines.length, 2);
});

t.test('a page that throws in the middle of its answer breaks the connection', async (t) => {
  const { server, url } = await start({
    '/half': (_request, response) => {
      response.writeHead(200, { 'Content-Length': 10 }).write('half');
      throw new Error('no more');
    },
  });
  await using _ = server;
  const whole = fetch(`${url}/half`).then((response) => response.text());
  await t.rejects(whole);
});

t.test('startHttpServer() refuses headers of more than 8 KiB', async (t) => {
  const { server, url } = await start(hello);
  await using _ = server;
  const response = await fetch(`${url}/hello`, { headers: { long: 'x'.repeat(9000) } });
  t.equal(response.status, 431);
  await response.text();
});

t.test('startHttpServer() holds no more than 256 connections', async (t) => {
  const { server } = await start(hello);
  await using _ = server;
  const sockets = Array.from({ length: 256 }, () => connect(server.port, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  const oneMore = connect(server.port, '127.0.0.1').resume();
  await once(oneMore, 'close');
  t.equal(sockets.filter((socket) => socket.destroyed).length, 0);
  for (const socket of sockets) socket.destroy();
});

t.test('disposing of it ends idle connections and lets a running request end', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { server, url } = await start({
    ...hello,
    '/slow': async (_request, response) => {
      ask();
      await released;
      sendText(response, 200, 'done');
    },
  });
  await (await fetch(`${url}/hello`)).text();
  const slow = fetch(`${url}/slow`);
  await asked;
  const closed = server[Symbol.asyncDispose]();
  release();
  t.equal(await (await slow).text(), 'done\n');
  await closed;
  await t.rejects(fetch(`${url}/hello`), 'nobody listens any more');
});

t.test('disposing of it cuts off a request that does not end', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { server, url } = await start({ '/never': () => ask() });
  const never = fetch(`${url}/never`);
  const cut = t.rejects(never);
  await asked;
  await server[Symbol.asyncDispose]();
  await cut;
});

t.test('disposing of it twice is harmless', async (t) => {
  const { server } = await start(hello);
  await server[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  t.pass('ended');
});

t.test('startHttpServer() says that a port is taken, as a Failure with exit code 1', async (t) => {
  const { server } = await start(hello);
  await using _ = server;
  const { log } = capturedLog();
  const listen = { host: '127.0.0.1', port: server.port };
  const error: unknown = await startHttpServer({ listen, routes: {}, log }).catch(
    (e: unknown) => e,
  );
  t.type(error, Failure);
  t.match(error, {
    exitCode: 1,
    message:
      `Cannot listen on 127.0.0.1:${server.port}: the port is already in use ` +
      '(is another agent running on this node?)',
    cause: { code: 'EADDRINUSE' },
  });
});

t.test('startHttpServer() says that an address is not one of this host', async (t) => {
  const { log } = capturedLog();
  for (const [host, shown] of [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '[2001:db8::1]'],
  ] as const) {
    await t.rejects(startHttpServer({ listen: { host, port: 9464 }, routes: {}, log }), {
      message: `Cannot listen on ${shown}:9464: no interface of this host has this address`,
    });
  }
});

t.test(
  'startHttpServer() gives the reason of the system where it has no better words',
  async (t) => {
    const { log } = capturedLog();
    await t.rejects(startHttpServer({ listen: { host: 'no.invalid', port: 0 }, routes: {}, log }), {
      message: /^Cannot listen on no\.invalid:0: getaddrinfo /,
    });
  },
);

t.test('listenAddress() reads a host or an address with a port', async (t) => {
  const { parse, default: whenUnset } = listenAddress({ default: '0.0.0.0:9464', description: '' });
  t.strictSame(whenUnset, { host: '0.0.0.0', port: 9464 });
  t.strictSame(parse('localhost:0'), { host: 'localhost', port: 0 });
  t.strictSame(parse('[::1]:9464'), { host: '::1', port: 9464 });
  t.strictSame(parse('[::]:65535'), { host: '::', port: 65_535 });
  t.strictSame(parse(':9464'), { host: '::', port: 9464 }, 'every address of both families');
});

t.test('listenAddress() says what is wrong', async (t) => {
  const { parse } = listenAddress({ default: ':0', description: '' });
  for (const input of [
    '',
    '9464',
    'localhost',
    'localhost:',
    '::1:9464',
    '[::1]',
    'a b:1',
    ':-1',
  ]) {
    t.throws(() => parse(input), { message: 'not host:port, [address]:port or :port' }, input);
  }
  t.throws(() => parse(':65536'), { message: 'port outside of 0 to 65535' });
});
