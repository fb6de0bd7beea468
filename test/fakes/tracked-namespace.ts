import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import type { Connections, Wish } from './traffic.ts';

const TRAFFIC = join(import.meta.dirname, 'traffic.ts');

/** Some rule has to ask for tracking, or the kernel does none. */
const TRACKING = `table inet tracking {
  chain input {
    type filter hook input priority 0
    ct state new counter
  }
}
`;

/** A network namespace whose connections are tracked, and the one who makes them. */
export class TrackedNamespace {
  readonly path: string;
  readonly #namespace: NetworkNamespace;
  readonly #traffic: ChildProcess;

  private constructor(namespace: NetworkNamespace, traffic: ChildProcess) {
    this.path = namespace.path;
    this.#namespace = namespace;
    this.#traffic = traffic;
  }

  /** Its loopback has these addresses beside its own. It is gone when the test ends. */
  static async create(t: Test, addresses: readonly string[] = []): Promise<TrackedNamespace> {
    const namespace = await NetworkNamespace.create('tracked');
    t.teardown(() => namespace[Symbol.asyncDispose]());
    await namespace.ip(addresses.map((address) => `address add ${address}/32 dev lo`));
    await namespace.nft(TRACKING);
    await namespace.sysctl({ 'net/netfilter/nf_conntrack_tcp_timeout_close': '1' });
    const [program = '', ...rest] = namespace.enter([process.execPath, TRAFFIC]);
    const traffic = spawn(program, rest, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Without tap's hooks, which would double the time that it takes to start.
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    t.teardown(async () => {
      traffic.kill('SIGKILL');
      await once(traffic, 'exit');
    });
    return new TrackedNamespace(namespace, traffic);
  }

  /** Names below /proc/sys, with slashes. */
  async sysctl(values: Readonly<Record<string, string>>): Promise<void> {
    await this.#namespace.sysctl(values);
  }

  /** Resolves when these connections are established. */
  async open(connections: Connections): Promise<void> {
    await this.#ask({ open: connections });
  }

  /** The client ends of the connections with this destination port are closed, the others stay open. */
  async halfClose(port: number): Promise<void> {
    await this.#ask({ halfClosePort: port });
  }

  /** Resets the connections with this destination port: a second later they leave the table. */
  async reset(port: number): Promise<void> {
    await this.#ask({ resetPort: port });
  }

  async #ask(wish: Wish): Promise<void> {
    this.#traffic.send(wish);
    await once(this.#traffic, 'message');
  }
}
