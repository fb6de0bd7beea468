import { once } from 'node:events';
import type { Server } from 'node:net';
import type { Test } from 'tap';

/** Lets a server listen on a free port of 127.0.0.1 until the test ends; resolves to the port. */
export async function listenOnLoopback(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port to listen on');
  return address.port;
}
