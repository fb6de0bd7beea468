import { once } from 'node:events';
import type { Server } from 'node:net';

/** Has a server listen on any free port of loopback. */
export async function listening(
  server: Server,
): Promise<{ readonly port: number; readonly url: string }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('Cannot tell the port');
  return { port: address.port, url: `http://127.0.0.1:${address.port}` };
}
