/** What the demo's pods do: every path through a cluster that a connection can take. */
import { DROPPED_PORT } from './lab.ts';
import { FAMILIES, NODES, PARTNER, SERVICES, place } from './topology.ts';
import type { Addresses } from './topology.ts';
import type { Connection, Traffic } from './traffic.ts';

/** Closed in the same round, kept for ever, or without a connection to keep. */
type Deed =
  | 'orderly'
  | 'reset'
  | 'half'
  | 'half by server'
  | 'leak'
  | 'reopen'
  | 'exchange'
  | 'attempt'
  | 'ping';

interface Path {
  readonly client: string;
  readonly to: Addresses;
  readonly port: number;
  readonly deed: Deed;
  readonly perRound: number;
  /** Of a leak: a packet comes at least as often. */
  readonly keepAliveMs?: number;
  /** For what is never closed: no more after this many rounds. */
  readonly roundsMax?: number;
}

export const LEAK = { client: 'cart-0', server: 'db-0', port: 5432 } as const;

const ATTEMPT_MS = 300;
const KEEP_ALIVE_MS = 15_000;
/** Half an hour of leaks, within the connections that a place may hold. */
const LEAKING_ROUNDS_MAX = 600;
/** Outside the ports that workloads take in turn. */
const REOPENED_SOURCE_PORT = 19_001;

function service(name: string): Addresses {
  const found = SERVICES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`Cannot find the service ${name}: none`);
  return found.addresses;
}

function nodeAddresses(name: string): Addresses {
  const found = NODES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new RangeError(`Cannot find the node ${name}: none`);
  return found.addresses;
}

const SERVERS = [
  ['web-0', 'tcp', 8080],
  ['api-0', 'tcp', 8080],
  ['api-1', 'tcp', 8080],
  ['db-0', 'tcp', LEAK.port],
  ['dns-0', 'udp', 5353],
  ['monitor-0', 'tcp', 9100],
  [PARTNER.name, 'tcp', 443],
] as const;

const pod = (name: string) => place(name).addresses;

const PATHS: readonly Path[] = [
  // pod → pod: on one node (one table), and between nodes (two tables)
  { client: 'web-0', to: pod('api-0'), port: 8080, deed: 'orderly', perRound: 1 },
  { client: 'web-0', to: pod('api-1'), port: 8080, deed: 'reset', perRound: 1 },
  { client: 'worker-0', to: pod('db-0'), port: LEAK.port, deed: 'orderly', perRound: 2 },
  { client: 'api-0', to: pod('db-0'), port: LEAK.port, deed: 'reopen', perRound: 1 },
  { client: 'cart-0', to: pod('db-0'), port: DROPPED_PORT, deed: 'attempt', perRound: 1 },
  // pod → service: backends on both nodes, and the pod itself (hairpin)
  { client: 'web-0', to: service('api'), port: 80, deed: 'orderly', perRound: 4 },
  { client: 'worker-0', to: service('api'), port: 80, deed: 'orderly', perRound: 2 },
  { client: 'web-0', to: service('web'), port: 80, deed: 'orderly', perRound: 1 },
  { client: 'web-0', to: service('dns'), port: 53, deed: 'exchange', perRound: 3 },
  { client: 'worker-0', to: pod('dns-0'), port: 5353, deed: 'exchange', perRound: 1 },
  // out of the cluster and into it
  { client: 'worker-0', to: PARTNER.addresses, port: 443, deed: 'orderly', perRound: 1 },
  { client: 'stranger', to: nodeAddresses('node-a'), port: 30080, deed: 'orderly', perRound: 2 },
  { client: 'stranger', to: nodeAddresses('node-b'), port: 30080, deed: 'orderly', perRound: 2 },
  { client: 'stranger', to: nodeAddresses('node-a'), port: 30081, deed: 'reset', perRound: 1 },
  // hostNetwork: as a client, of a pod and of a service, and as a server
  { client: 'monitor-0', to: pod('api-0'), port: 8080, deed: 'orderly', perRound: 1 },
  { client: 'monitor-0', to: service('api'), port: 80, deed: 'orderly', perRound: 2 },
  { client: 'api-1', to: nodeAddresses('node-a'), port: 9100, deed: 'orderly', perRound: 1 },
  ...leaks([
    // the pod that never closes, and one whose kernel keeps what it forgot alive
    { client: LEAK.client, to: pod(LEAK.server), port: LEAK.port, deed: 'leak', perRound: 3 },
    {
      client: 'worker-0',
      to: pod('api-0'),
      port: 8080,
      deed: 'leak',
      perRound: 1,
      keepAliveMs: KEEP_ALIVE_MS,
    },
    // closed by one end, while the other forgets to: by the client, and by the server
    { client: 'api-1', to: pod('db-0'), port: LEAK.port, deed: 'half', perRound: 1 },
    { client: 'web-0', to: PARTNER.addresses, port: 443, deed: 'half by server', perRound: 1 },
  ]),
];

function leaks(paths: readonly Path[]): readonly Path[] {
  return paths.map((path) => ({ ...path, roundsMax: LEAKING_ROUNDS_MAX }));
}

const PINGS: readonly Path[] = [
  { client: 'web-0', to: pod('db-0'), port: 0, deed: 'ping', perRound: 1 },
];

export class Scenario {
  readonly #traffic: Traffic;
  readonly #paths: readonly Path[];
  /** Of paths that reopen one tuple: open since the last round. */
  readonly #open = new Map<string, Connection>();
  #round = 0;

  constructor(traffic: Traffic, { withPing }: { readonly withPing: boolean }) {
    this.#traffic = traffic;
    this.#paths = withPing ? [...PATHS, ...PINGS] : PATHS;
  }

  /** Servers answer, and each node has connections before khan comes, as any real one. */
  async start(): Promise<void> {
    await Promise.all(
      SERVERS.map(([server, transport, port]) => this.#traffic.listen(server, transport, port)),
    );
    for (const address of Object.values(pod('api-1')))
      await this.#traffic.open('web-0', { address, port: 8080 });
    this.#traffic.forget();
  }

  /**
   * Every path once more. Between two rounds each agent must take a snapshot: a tuple that is
   * reopened between two snapshots cannot be told from one that stayed open.
   */
  async round(): Promise<void> {
    const round = ++this.#round;
    const due = this.#paths.filter(({ roundsMax = Infinity }) => round <= roundsMax);
    await Promise.all(
      due.map(async (path) => {
        for (let time = 0; time < path.perRound; time++)
          for (const family of FAMILIES) await this.#walk(path, path.to[family]);
      }),
    );
  }

  async #walk({ client, port, deed, keepAliveMs }: Path, address: string): Promise<void> {
    const peer = { address, port };
    switch (deed) {
      case 'exchange':
        return this.#traffic.exchange(client, peer);
      case 'attempt':
        return this.#traffic.attempt(client, { ...peer, timeoutMs: ATTEMPT_MS });
      case 'ping':
        return this.#traffic.ping(client, address);
      case 'reopen':
        return this.#reopen(client, address, port);
      case 'leak':
        await this.#traffic.open(client, { ...peer, ...(keepAliveMs && { keepAliveMs }) });
        return;
      case 'orderly':
      case 'half':
      case 'half by server':
      case 'reset':
        return this.#traffic.close(await this.#traffic.open(client, peer), deed);
    }
  }

  /**
   * One round opens a tuple and the next one closes it. The server closes first, so the client's
   * kernel forgets the port at once and only conntrack remembers it, in TIME_WAIT.
   */
  async #reopen(client: string, address: string, port: number): Promise<void> {
    const open = this.#open.get(address);
    if (open === undefined) {
      const peer = { address, port, sourcePort: REOPENED_SOURCE_PORT };
      this.#open.set(address, await this.#traffic.open(client, peer));
      return;
    }
    this.#open.delete(address);
    await this.#traffic.close(open, 'orderly by server');
  }
}
