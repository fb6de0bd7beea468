/**
 * Runs in a network namespace and opens TCP connections there, both ends of them. They stay until
 * they are reset, or until it ends, which it does with the process that started it.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Connections {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly count: number;
}

export type Wish =
  | { readonly open: Connections }
  | { readonly halfClosePort: number }
  | { readonly resetPort: number };

const listening = new Map<string, Promise<unknown>>();
/** Client ends by destination port. */
const opened = new Map<number, Socket[]>();
const FIRST_PORT = 20_000;
const PORTS = 40_000;
let ports = 0;

process.once('disconnect', () => process.exit());
process.on('message', (wish: Wish) => void fulfil(wish).then(() => process.send?.('done')));

async function fulfil(wish: Wish): Promise<void> {
  if ('open' in wish) return open(wish.open);
  if ('halfClosePort' in wish) {
    const sockets = opened.get(wish.halfClosePort) ?? [];
    await Promise.all(sockets.map((socket) => once(socket.end(), 'finish')));
    return;
  }
  for (const socket of opened.get(wish.resetPort) ?? []) socket.resetAndDestroy();
  opened.delete(wish.resetPort);
}

/** In turn: a tuple that is used again between two polls looks like the connection before it. */
function nextPort(): number {
  return FIRST_PORT + (ports++ % PORTS);
}

async function open({ source, destination, port, count }: Connections): Promise<void> {
  const place = `${destination} ${port}`;
  if (!listening.has(place)) {
    // The reset of the other end is an error here, and its FIN is not answered by another one.
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}));
    listening.set(place, once(server.listen(port, destination), 'listening'));
  }
  await listening.get(place);
  const sockets = Array.from({ length: count }, () =>
    connect({ host: destination, port, localAddress: source, localPort: nextPort() }),
  );
  opened.set(port, [...(opened.get(port) ?? []), ...sockets]);
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
}
