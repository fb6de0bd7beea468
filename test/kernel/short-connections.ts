/**
 * Makes connections that are short, and answers them itself, all in its own network namespace. Says
 * `done` when the last one has ended. Run: `node test/kernel/short-connections.ts JSON`.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

export interface Shortly {
  /** orderly: FIN by the client, then by the server; refused: nobody listens there; udp: one datagram each way. */
  readonly how: 'orderly' | 'reset' | 'refused' | 'udp';
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly count: number;
}

/** The kernel would give the same port again while its entry is still there, and that is no other connection. */
const FIRST_PORT = 20_000;
/** At a time: more would only wait for each other. */
const CONCURRENCY = 32;

async function listen(destination: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.resume().on('end', () => socket.end());
  });
  server.listen({ host: destination, port, backlog: 1024 });
  await once(server, 'listening');
  return server;
}

async function connectOnce(
  { how, source, destination, port }: Shortly,
  localPort: number,
): Promise<void> {
  const socket = connect({ host: destination, port, localAddress: source, localPort });
  if (how === 'refused') {
    await once(socket, 'error');
    return;
  }
  await once(socket, 'connect');
  if (how === 'reset') socket.resetAndDestroy();
  else socket.end().resume();
  await once(socket, 'close');
}

async function exchangeOnce(
  { source, destination, port }: Shortly,
  sourcePort: number,
): Promise<void> {
  const socket = createSocket(source.includes(':') ? 'udp6' : 'udp4');
  socket.bind(sourcePort, source);
  await once(socket, 'listening');
  socket.send('question', port, destination);
  await once(socket, 'message');
  socket.close();
}

async function echo(destination: string, port: number): Promise<() => void> {
  const socket = createSocket(destination.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_message, from) => socket.send('answer', from.port, from.address));
  socket.bind(port, destination);
  await once(socket, 'listening');
  return () => socket.close();
}

async function makeAll(wish: Shortly): Promise<void> {
  const { how, destination, port } = wish;
  const makeOne = how === 'udp' ? exchangeOnce : connectOnce;
  let left = wish.count;
  const client = async () => {
    while (left-- > 0) await makeOne(wish, FIRST_PORT + left);
  };
  const clients = () => Promise.all(Array.from({ length: CONCURRENCY }, client));
  if (how === 'refused') {
    await clients();
  } else if (how === 'udp') {
    const close = await echo(destination, port);
    await clients();
    close();
  } else {
    const server = await listen(destination, port);
    await clients();
    server.close();
  }
}

if (import.meta.main) {
  const wishes: readonly Shortly[] = JSON.parse(process.argv[2] ?? '[]');
  for (const wish of wishes) await makeAll(wish);
  process.stdout.write('done\n');
}
