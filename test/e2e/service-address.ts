import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where a replica listens on loopback. */
interface Backend {
  readonly port: number;
}

/**
 * One address for several replicas, as a Service has: a new connection goes to the next replica that
 * accepts it, and stays there.
 */
export class ServiceAddress implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    const address = server.address();
    if (address === null || typeof address === 'string') {
      throw new Error('Cannot tell the port of the service: it does not listen');
    }
    this.port = address.port;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Of `backends` those count that are in it when a connection comes. */
  static async listen(backends: readonly Backend[]): Promise<ServiceAddress> {
    const sockets = new Set<Socket>();
    const keep = (socket: Socket): void => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy()).once('close', () => sockets.delete(socket));
    };
    let turn = 0;
    const server = createServer((client) => {
      keep(client);
      const first = turn++;
      const order = backends.map((_, index) => backends[(first + index) % backends.length]!);
      void connectToFirst(order).then((backend) => {
        if (backend === undefined) return client.destroy();
        keep(backend);
        client.once('close', () => backend.destroy()).pipe(backend);
        return backend.once('close', () => client.destroy()).pipe(client);
      });
    });
    server.listen({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    return new ServiceAddress(server, sockets);
  }

  /** Ends all connections; whether there are new ones is up to the backends. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }
}

/** The first that accepts the connection. */
async function connectToFirst(backends: readonly Backend[]): Promise<Socket | undefined> {
  for (const { port } of backends) {
    const socket = connect({ host: '127.0.0.1', port });
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      socket.destroy();
    }
  }
  return undefined;
}
