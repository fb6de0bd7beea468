/**
 * Opens connections and answers them itself, all in its own network namespace; ends them with a line
 * on stdin. Says `open` and `ended` on stdout. Run: `node test/kernel/open-connections.ts JSON`.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Opening {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
  readonly count: number;
}

const SERVER_PORT = 8080;

if (import.meta.main) {
  const openings: readonly Opening[] = JSON.parse(process.argv[2] ?? '[]');
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    socket.resume();
  });
  server.listen({ port: SERVER_PORT, host: '::' });
  await once(server, 'listening');

  const sockets: Socket[] = [];
  for (const { count, ...to } of openings) {
    for (let nth = 0; nth < count; nth++) {
      const socket = connect(to);
      await once(socket, 'connect');
      sockets.push(socket);
    }
  }
  while (accepted < sockets.length) await once(server, 'connection');
  process.stdout.write('open\n');

  await once(process.stdin, 'data');
  await Promise.all(sockets.map((socket) => once(socket.resume().end(), 'close')));
  process.stdout.write('ended\n');
  process.exit();
}
