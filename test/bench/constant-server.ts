/** The least that a server can do: reads questions and gives every time the same answer. Prints its port. */
import { createServer } from 'node:http';
import { integer, readSettings, text } from '../../src/runtime/settings.ts';

const settings = {
  bytes: integer({ default: 200, min: 1, max: 10_000_000, description: 'Of the answer' }),
  listen: text({ default: '127.0.0.1:0', description: 'Address and port' }),
} as const;
const { bytes, listen } = readSettings(settings, process.argv.slice(2), {});

const answer = { epoch: 'baseline', rev: 1, synced: true, stale: false, reset: false };
const least = JSON.stringify({ ...answer, entries: {}, gone: [], nextPollMs: 30_000 });
const [host, port] = listen.split(':');
const body = Buffer.from(least.padEnd(bytes));

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    response.setHeader('content-type', 'application/json').end(body);
  });
});
server.listen({ host, port: Number(port) }, () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`${address?.port}\n`);
});
