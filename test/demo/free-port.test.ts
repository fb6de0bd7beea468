import { createServer } from 'node:net';
import t from 'tap';
import { freePort } from '../../src/demo/khan-process.ts';
import { listening } from '../builders/listening.ts';

/** The kernel picks from some 14,000, so that without care some would come twice. */
const PORTS = 1000;

t.test('a port that is free is the one that was wanted', async (t) => {
  const wanted = await freePort(0);
  t.equal(await freePort(wanted), wanted);
});

t.test('for one that is taken there is another', async (t) => {
  const server = createServer();
  t.teardown(() => server.close());
  const { port } = await listening(server);
  const other = await freePort(port);
  t.not(other, port);
  t.ok(other > 0);
});

t.test('no two are the same while nobody listens there yet', async (t) => {
  const ports = new Set<number>();
  for (let asked = 0; asked < PORTS; asked++) ports.add(await freePort(0));
  t.equal(ports.size, PORTS);
});
