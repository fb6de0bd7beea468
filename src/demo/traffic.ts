/** The traffic generator: it opens real connections in the lab and writes down the truth. */
import { isIPv6 } from 'node:net';
import type { Lab } from './lab.ts';
import { PARTNER, PODS, STRANGER, place } from './topology.ts';
import { WorkloadProcess } from './workload-process.ts';
import type { Commands, Ending, Peer, Seen } from './workload.ts';

/** Everything done by one client towards one address and port that the same server answered. */
export interface Truth {
  /** Name of the place. */
  readonly client: string;
  /** Address that the client sent from. */
  readonly source: string;
  readonly destination: string;
  /** Undefined where the protocol has none. */
  readonly port: number | undefined;
  readonly transport: 'tcp' | 'udp' | 'icmp' | 'icmpv6';
  /** What the server saw; undefined when nobody answered. */
  readonly seen: Seen | undefined;
  readonly opened: number;
  /** TCP only: what became of those opened. Still open on both sides is the rest. */
  readonly ended: Readonly<Record<Ending | 'unanswered', number>>;
}

/** A connection that is still open. */
export interface Connection {
  readonly client: string;
  readonly number: number;
  readonly truth: Truth;
}

interface MutableTruth extends Truth {
  opened: number;
  readonly ended: { [How in Ending | 'unanswered']: number };
}

export class Traffic implements AsyncDisposable {
  readonly #workloads: ReadonlyMap<string, WorkloadProcess>;
  readonly #truth = new Map<string, MutableTruth>();

  constructor(lab: Lab) {
    const places = [...PODS, STRANGER, PARTNER];
    this.#workloads = new Map(
      places.map((each, index) => {
        // Several go out from the address of one node: a port of theirs would be one tuple, behind it.
        const portsBeginAt = index / places.length;
        return [each.name, new WorkloadProcess(each.name, lab.namespaceOf(each), { portsBeginAt })];
      }),
    );
  }

  truth(): readonly Truth[] {
    return [...this.#truth.values()];
  }

  /** What was opened until now is not part of the truth: khan finds it in its baseline. */
  forget(): void {
    this.#truth.clear();
  }

  async listen(server: string, transport: 'tcp' | 'udp', port: number): Promise<void> {
    const addresses = Object.values(place(server).addresses);
    await this.#workload(server).call('listen', { transport, addresses, port });
  }

  async open(client: string, peer: Commands['open']['request']): Promise<Connection> {
    const { connection, source, seen } = await this.#workload(client).call('open', peer);
    const truth = this.#record({ client, source, ...toward(peer), transport: 'tcp', seen });
    truth.opened++;
    return { client, number: connection, truth };
  }

  async say({ client, number }: Connection, bytes: number): Promise<void> {
    await this.#workload(client).call('say', { connection: number, bytes });
  }

  async close({ client, number, truth }: Connection, ending: Ending): Promise<void> {
    await this.#workload(client).call('close', { connection: number, ending });
    this.#record(truth).ended[ending]++;
  }

  async exchange(client: string, peer: Peer): Promise<void> {
    const { source, seen } = await this.#workload(client).call('exchange', peer);
    this.#record({ client, source, ...toward(peer), transport: 'udp', seen }).opened++;
  }

  /** A connection to a port that drops what it gets. */
  async attempt(client: string, peer: Peer & { readonly timeoutMs: number }): Promise<void> {
    const { source } = await this.#workload(client).call('attempt', peer);
    const path = { client, source, ...toward(peer), transport: 'tcp', seen: undefined } as const;
    const truth = this.#record(path);
    truth.opened++;
    truth.ended.unanswered++;
  }

  /** One ICMP echo by ping(8), from a pod: it has one address of each family. */
  async ping(client: string, destination: string): Promise<void> {
    await this.#workload(client).call('ping', { address: destination });
    const { ipv4, ipv6 } = place(client).addresses;
    const over = isIPv6(destination)
      ? ({ source: ipv6, transport: 'icmpv6' } as const)
      : ({ source: ipv4, transport: 'icmp' } as const);
    this.#record({ client, destination, port: undefined, seen: undefined, ...over }).opened++;
  }

  #workload(name: string): WorkloadProcess {
    const workload = this.#workloads.get(name);
    if (workload === undefined) throw new RangeError(`Cannot command ${name}: no such place`);
    return workload;
  }

  #record(path: Omit<Truth, 'opened' | 'ended'>): MutableTruth {
    const { client, source, destination, port, transport, seen } = path;
    const key = JSON.stringify([client, source, destination, port, transport, seen]);
    const known = this.#truth.get(key);
    if (known !== undefined) return known;
    const ended = {
      orderly: 0,
      'orderly by server': 0,
      half: 0,
      'half by server': 0,
      reset: 0,
      unanswered: 0,
    };
    const fresh = { client, source, destination, port, transport, seen, opened: 0, ended };
    this.#truth.set(key, fresh);
    return fresh;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workloads.values()].map((each) => each[Symbol.asyncDispose]()));
  }
}

/** Connections that are open on both sides. */
export function openNow({ opened, ended }: Truth): number {
  return Object.values(ended).reduce((open, count) => open - count, opened);
}

function toward({ address, port }: Peer): Pick<Truth, 'destination' | 'port'> {
  return { destination: address, port };
}
