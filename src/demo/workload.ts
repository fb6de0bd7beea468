/**
 * What runs in a pod's network namespace: real sockets, commanded over the IPC channel of the
 * process that started it, and gone when that channel closes.
 */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Socket, connect, createServer, isIPv6 } from 'node:net';
import { promisify } from 'node:util';

/** What the server saw of a connection: behind NAT only it knows who was really spoken to. */
export interface Seen {
  /** Name of the place that answered. */
  readonly server: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
}

export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** orderly: FIN by the client first, unless by the server; half: only by one, the other keeps its side open. */
export type Ending = 'orderly' | 'orderly by server' | 'half' | 'half by server' | 'reset';

interface Listening {
  readonly transport: 'tcp' | 'udp';
  readonly addresses: readonly string[];
  readonly port: number;
}

/** Every command with its request and its answer. */
export interface Commands {
  listen: { request: Listening; answer: true };
  open: {
    request: Peer & {
      readonly sourcePort?: number;
      /** TCP keepalives, the first one after so long without any packet; none unless given. */
      readonly keepAliveMs?: number;
    };
    answer: { readonly connection: number; readonly source: string; readonly seen: Seen };
  };
  /** So many bytes from the client, which the server reads. */
  say: { request: { readonly connection: number; readonly bytes: number }; answer: true };
  close: { request: { readonly connection: number; readonly ending: Ending }; answer: true };
  /** One datagram there and one back, from a port of its own. */
  exchange: { request: Peer; answer: { readonly source: string; readonly seen: Seen } };
  /** A SYN that nobody answers, given up after `timeoutMs`. */
  attempt: {
    request: Peer & { readonly timeoutMs: number };
    answer: { readonly source: string };
  };
  ping: { request: { readonly address: string }; answer: true };
}

export type Command = keyof Commands;

export interface Request<Name extends Command = Command> {
  readonly id: number;
  readonly command: Name;
  readonly request: Commands[Name]['request'];
}

export type Reply =
  | { readonly id: number; readonly answer: Commands[Command]['answer'] }
  | { readonly id: number; readonly error: string };

const ANSWER_MS_MAX = 5000;
const CONNECTIONS_MAX = 4096;
/** Below the ephemeral ports, and in turn: no tuple returns by chance while conntrack holds it. */
const SOURCE_PORTS = { first: 20_000, last: 31_999 };
/** Words that the client says to the server. */
const CLOSE = 'close';
const HOLD = 'hold';

const [name = 'nobody', portsBeginAt = '0'] = process.argv.slice(2);
const connections = new Map<number, Socket>();
/** Those that keep their side open when the server has closed. */
const kept = new WeakSet<Socket>();
let connectionsMade = 0;
let sourcePort =
  SOURCE_PORTS.first + Math.trunc(Number(portsBeginAt) * (SOURCE_PORTS.last - SOURCE_PORTS.first));

function nextSourcePort(): number {
  const port = sourcePort;
  sourcePort = port === SOURCE_PORTS.last ? SOURCE_PORTS.first : port + 1;
  return port;
}

function deadline(): AbortSignal {
  return AbortSignal.timeout(ANSWER_MS_MAX);
}

/** What a server of this file wrote, here or in another namespace. */
function seenBy(answer: Buffer): Seen {
  const seen: Seen = JSON.parse(answer.toString());
  return seen;
}

async function listen({ transport, addresses, port }: Listening): Promise<true> {
  for (const address of addresses)
    await (transport === 'tcp' ? listenTcp(address, port) : listenUdp(address, port));
  return true;
}

async function listenTcp(address: string, port: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const seen: Seen = {
      server: name,
      source: socket.remoteAddress ?? '',
      destination: address,
      port,
    };
    let held = false;
    socket.write(JSON.stringify(seen));
    socket.on('data', (chunk) => {
      const said = chunk.toString();
      if (said === CLOSE) socket.end();
      if (said === HOLD) held = true;
    });
    socket.on('end', () => {
      if (!held) socket.end();
    });
    // A client that resets is part of the traffic.
    socket.on('error', () => socket.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.listen({ host: address, port });
  await once(server, 'listening');
}

async function listenUdp(address: string, port: number): Promise<void> {
  const server = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  server.on('message', (_message, { address: source, port: sender }) => {
    const seen: Seen = { server: name, source, destination: address, port };
    server.send(JSON.stringify(seen), sender, source);
  });
  server.bind({ address, port });
  await once(server, 'listening');
}

async function open({
  address,
  port,
  sourcePort: localPort = nextSourcePort(),
  keepAliveMs,
}: Commands['open']['request']): Promise<Commands['open']['answer']> {
  if (connections.size >= CONNECTIONS_MAX)
    throw new Error(`Cannot open another connection: ${CONNECTIONS_MAX} are open`);
  const socket = connect({ host: address, port, localPort, allowHalfOpen: true });
  if (keepAliveMs !== undefined) socket.setKeepAlive(true, keepAliveMs);
  try {
    const [greeting] = await once(socket, 'data', { signal: deadline() });
    const connection = ++connectionsMade;
    connections.set(connection, socket);
    socket.once('close', () => connections.delete(connection));
    // Later the server may vanish with its process; the truth is kept by whoever gave the command.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => {
      if (!kept.has(socket)) socket.end();
    });
    socket.resume();
    return { connection, source: socket.localAddress ?? '', seen: seenBy(greeting) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** What happens to a connection that is closed in this way, seen from here. */
const END_EVENTS: Readonly<Record<Ending, string>> = {
  orderly: 'close',
  'orderly by server': 'close',
  half: 'finish',
  'half by server': 'end',
  reset: 'close',
};

function openConnection(connection: number): Socket {
  const socket = connections.get(connection);
  if (socket === undefined) throw new Error(`Cannot use connection ${connection}: it is not open`);
  return socket;
}

async function say({ connection, bytes }: Commands['say']['request']): Promise<true> {
  const socket = openConnection(connection);
  await new Promise<void>((resolve, reject) => {
    socket.write('.'.repeat(bytes), (error) => (error ? reject(error) : resolve()));
  });
  return true;
}

async function close({ connection, ending }: Commands['close']['request']): Promise<true> {
  const socket = openConnection(connection);
  const done = once(socket, END_EVENTS[ending], { signal: deadline() });
  switch (ending) {
    case 'orderly':
      socket.end();
      break;
    case 'orderly by server':
      socket.write(CLOSE);
      break;
    case 'half':
      socket.end(HOLD);
      break;
    case 'half by server':
      kept.add(socket);
      socket.write(CLOSE);
      break;
    case 'reset':
      socket.resetAndDestroy();
      break;
  }
  await done;
  return true;
}

async function exchange({
  address,
  port,
}: Commands['exchange']['request']): Promise<Commands['exchange']['answer']> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    socket.bind(nextSourcePort());
    await once(socket, 'listening', { signal: deadline() });
    socket.connect(port, address);
    await once(socket, 'connect', { signal: deadline() });
    const answered = once(socket, 'message', { signal: deadline() });
    socket.send('?');
    const [answer] = await answered;
    return { source: socket.address().address, seen: seenBy(answer) };
  } finally {
    socket.close();
  }
}

async function attempt({
  address,
  port,
  timeoutMs,
}: Commands['attempt']['request']): Promise<Commands['attempt']['answer']> {
  const socket = connect({ host: address, port, localPort: nextSourcePort() });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError')
      return { source: socket.localAddress ?? '' };
    throw error;
  } finally {
    socket.destroy();
  }
  throw new Error(`Cannot leave ${address} port ${port} unanswered: it answers`);
}

async function ping({ address }: Commands['ping']['request']): Promise<true> {
  await promisify(execFile)('ping', ['-n', '-c', '1', '-W', '2', address]);
  return true;
}

type Handlers = {
  readonly [Name in Command]: (
    request: Commands[Name]['request'],
  ) => Promise<Commands[Name]['answer']>;
};

const handlers: Handlers = { listen, open, say, close, exchange, attempt, ping };

async function serve<Name extends Command>({ id, command, request }: Request<Name>): Promise<void> {
  let reply: Reply;
  try {
    reply = { id, answer: await handlers[command](request) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : String(error) };
  }
  // Who asked may be gone by now; the end of the channel is what ends this process.
  process.send?.(reply, () => {});
}

process.on('message', (message: Request) => void serve(message));
process.once('disconnect', () => process.exit());
if (!process.connected) process.exit();
