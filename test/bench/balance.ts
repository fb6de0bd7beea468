/**
 * What a Service is to the agents: a new connection goes to one of the replicas at random, and stays.
 * In a process of its own, so that its share can be told apart. Prints its port. Answers each message
 * with its {@link Traffic}; a number is the port of a replica that is one no longer.
 */
import { createServer, connect, type Socket } from 'node:net';
import { integer, list, readSettings } from '../../src/runtime/settings.ts';

export interface Traffic {
  /** From the clients, and to them. */
  readonly upBytes: number;
  readonly downBytes: number;
  /** Connections now, and all there have been. */
  readonly open: number;
  readonly opened: number;
}

const BACKLOG = 4096;
const CONNECTIONS_MAX = 9000;

const settings = {
  to: list({ type: 'list of ports', parse: Number, default: '', description: 'Replicas' }),
  port: integer({ default: 0, min: 0, max: 65_535, description: 'Where this listens' }),
} as const;
const { to, port } = readSettings(settings, process.argv.slice(2), {});

let replicas: readonly number[] = to;
const clients = new Set<Socket>();
let [upBytes, downBytes, opened] = [0, 0, 0];

const server = createServer((client) => {
  const replica = connect({
    port: replicas[Math.floor(Math.random() * replicas.length)] ?? 0,
    host: '127.0.0.1',
    noDelay: true,
  });
  clients.add(client);
  opened++;
  client.setNoDelay(true);
  client.pipe(replica).pipe(client);
  // Errors are followed by 'close'.
  client.on('error', () => {}).once('close', () => replica.destroy());
  replica.on('error', () => client.resetAndDestroy()).once('close', () => client.destroySoon());
  client.once('close', () => {
    clients.delete(client);
    upBytes += client.bytesRead;
    downBytes += client.bytesWritten;
  });
});
server.maxConnections = CONNECTIONS_MAX;
server.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`${address?.port}\n`);
});

process.on('message', (message) => {
  replicas = replicas.filter((replica) => replica !== message);
  const sum = (bytes: 'bytesRead' | 'bytesWritten') =>
    clients.values().reduce((total, client) => total + client[bytes], 0);
  const traffic: Traffic = {
    upBytes: upBytes + sum('bytesRead'),
    downBytes: downBytes + sum('bytesWritten'),
    open: clients.size,
    opened,
  };
  process.send?.(traffic);
});
