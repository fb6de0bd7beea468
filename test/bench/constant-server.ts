/** The least that a server can do: reads questions and gives every time the same answer. Prints its port. */
import { createServer } from 'node:http';
import { integer, readSettings } from '../../src/runtime/settings.ts';

const settings = {
  bytes: integer({ default: 200, min: 1, max: 10_000_000, description: 'Of the answer' }),
} as const;
const { bytes } = readSettings(settings, process.argv.slice(2), {});

const answer = { epoch: 'baseline', rev: 1, synced: true, stale: false, reset: false };
const text = JSON.stringify({ ...answer, entries: {}, gone: [], nextPollMs: 30_000 });
const body = Buffer.from(text.padEnd(bytes));

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    response.setHeader('content-type', 'application/json').end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`${address?.port}\n`);
});
