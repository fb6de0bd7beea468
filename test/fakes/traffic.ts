/**
 * Runs in a network namespace and opens TCP connections there, both ends of them. They stay until
 * it ends, which it does with the process that started it.
 */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface Connections {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly count: number;
}

const listening = new Map<string, Promise<unknown>>();

process.once('disconnect', () => process.exit());
process.on('message', (wish: Connections) => void open(wish).then(() => process.send?.('open')));

async function open({ source, destination, port, count }: Connections): Promise<void> {
  const place = `${destination} ${port}`;
  if (!listening.has(place)) {
    listening.set(place, once(createServer().listen(port, destination), 'listening'));
  }
  await listening.get(place);
  const sockets = Array.from({ length: count }, () =>
    connect({ host: destination, port, localAddress: source }),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
}
