import { createServer, type RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { agentPage } from '../../src/top/agent-page.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';

const { signal } = new AbortController();

async function urlOf(t: Test, answer: RequestListener): Promise<URL> {
  const server = createServer(answer);
  t.teardown(() => server.closeAllConnections());
  return new URL(`http://127.0.0.1:${await listenOnLoopback(t, server)}/metrics`);
}

t.test('a page is asked for compressed, in the text format', async (t) => {
  const url = await urlOf(t, (request, response) => {
    t.match(request.headers, { accept: /^text\/plain/, 'accept-encoding': /gzip/ });
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('up 1\n'));
  });
  t.equal(await agentPage(url).read(signal), 'up 1\n');
});

t.test('whoever answers with anything else is said', async (t) => {
  const url = await urlOf(t, (_request, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
  });
  await t.rejects(agentPage(url).read(signal), { message: 'it answers with status 302' });
});

t.test('a page without an end is not read to it, whatever its compressed size', async (t) => {
  const url = await urlOf(t, (_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(gzipSync('x'.repeat(100_000)));
  });
  await t.rejects(agentPage(url, { bytesMax: 50_000 }).read(signal), {
    message: 'its page has more than 50000 bytes',
  });
});

t.test('who does not answer in time is said', async (t) => {
  const url = await urlOf(t, () => {});
  await t.rejects(agentPage(url, { msMax: 50 }).read(signal), { message: 'no page within 0.05 s' });
});

t.test('where nobody listens, that is said', async (t) => {
  const port = await listenOnLoopback(t, createServer());
  const server = createServer();
  const free = await listenOnLoopback(t, server);
  await new Promise((resolve) => void server.close(resolve));
  t.not(free, port);
  await t.rejects(agentPage(new URL(`http://127.0.0.1:${free}/metrics`)).read(signal), {
    message: 'ECONNREFUSED. Is an agent running there?',
  });
});

t.test('a page that nobody wants any more is not waited for', async (t) => {
  const url = await urlOf(t, () => {});
  const wanted = new AbortController();
  const page = agentPage(url).read(wanted.signal);
  wanted.abort();
  await t.rejects(page);
});
