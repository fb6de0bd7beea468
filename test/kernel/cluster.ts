/**
 * The demo's lab for tests: real traffic between network namespaces, and the real agents of its two
 * nodes, which take a snapshot when a test says so.
 */
import { join } from 'node:path';
import type { Test } from 'tap';
import { agentSettings } from '../../src/agent/config.ts';
import { Lab } from '../../src/demo/lab.ts';
import { hasProgram } from '../../src/demo/programs.ts';
import { NODES, PARTNER, PODS, STRANGER, inventoryFile } from '../../src/demo/topology.ts';
import { Traffic } from '../../src/demo/traffic.ts';
import { gainNamespaces } from '../../src/demo/user-namespace.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { Agents } from './agents.ts';

const PACKAGES = 'iproute2, nftables, util-linux';
const PROGRAMS = ['ip', 'nft', 'nsenter', 'unshare'];

const FILE_TIMEOUT_MS = 180_000;

/** nf_conntrack_*, in seconds: nothing leaves a table while the tests look, however slow they are. */
const TIMEOUTS = {
  tcp_timeout_syn_sent: 600,
  tcp_timeout_close_wait: 600,
  tcp_timeout_time_wait: 600,
  tcp_timeout_close: 600,
  udp_timeout: 600,
  icmp_timeout: 600,
  icmpv6_timeout: 600,
};

type Timeouts = Readonly<Partial<Record<keyof typeof TIMEOUTS, number>>>;

/** Who answers on both its addresses. */
export type Server = readonly [place: string, transport: 'tcp' | 'udp', port: number];

/**
 * `t.test` for the tests of one file, which share a lab. Where the machine cannot build one they are
 * skipped, but fail where CI=true.
 */
export async function clusterTests(
  t: Test,
  servers: readonly Server[],
  namesOf: NamesOf = namesOfFile,
): Promise<(sentence: string, body: (t: Test, cluster: Cluster) => Promise<void>) => void> {
  t.setTimeout(FILE_TIMEOUT_MS);
  const skip = await skipReason();
  if (skip !== false && process.env['CI'] === 'true') throw new Error(skip);
  const cluster = skip === false ? await Cluster.create(t, servers, namesOf) : undefined;
  t.teardown(async () => cluster?.[Symbol.asyncDispose]());
  return (sentence, body) => {
    t.test(sentence, { skip }, async (t) => {
      if (cluster === undefined) return;
      await cluster.agents.begin();
      cluster.traffic.forget();
      await body(t, cluster);
    });
  };
}

/** Makes this process root of a user namespace where that is what it takes. */
async function skipReason(): Promise<string | false> {
  const found = await Promise.all(PROGRAMS.map(hasProgram));
  const missing = PROGRAMS.filter((_, index) => !found[index]);
  if (missing.length > 0)
    return `THE KERNEL WAS NOT ASKED: ${missing.join(', ')} missing (install ${PACKAGES})`;
  try {
    await gainNamespaces();
    return false;
  } catch (error) {
    return `THE KERNEL WAS NOT ASKED: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The settings that tell an agent where it learns names. */
export type NameSettings = (node: string) => readonly string[];
type NamesOf = (t: Test) => Promise<NameSettings>;

async function namesOfFile(t: Test): Promise<NameSettings> {
  const directory = t.testdir({ 'inventory.json': inventoryFile() });
  return () => ['--inventory-file', join(directory, 'inventory.json')];
}

interface Parts {
  readonly lab: Lab;
  readonly traffic: Traffic;
  readonly agents: Agents;
  readonly names: NameSettings;
}

export class Cluster implements AsyncDisposable {
  readonly lab: Lab;
  readonly traffic: Traffic;
  /** They see all tests of a file, one after the other. */
  readonly agents: Agents;
  readonly #names: NameSettings;
  readonly #stack: AsyncDisposableStack;

  private constructor({ lab, traffic, agents, names }: Parts, stack: AsyncDisposableStack) {
    this.lab = lab;
    this.traffic = traffic;
    this.agents = agents;
    this.#names = names;
    this.#stack = stack;
  }

  static async create(t: Test, servers: readonly Server[], namesOf: NamesOf): Promise<Cluster> {
    await using stack = new AsyncDisposableStack();
    const names = await namesOf(t);
    const lab = stack.use(await Lab.create({ signal: new AbortController().signal }));
    await setTimeouts(lab, TIMEOUTS);
    await setNoProbes(lab);
    const traffic = stack.use(new Traffic(lab));
    for (const [server, transport, port] of servers) await traffic.listen(server, transport, port);
    const agents = stack.use(await startAgents({ lab, traffic, names }));
    return new Cluster({ lab, traffic, agents, names }, stack.move());
  }

  /** For entries that change their state while the test runs; it must see them leave. */
  async shorten(t: Test, timeouts: Timeouts): Promise<void> {
    t.teardown(async () => setTimeouts(this.lab, TIMEOUTS));
    await setTimeouts(this.lab, timeouts);
  }

  /** The tables of the nodes keep when each connection began, of those that are new from now on. */
  async keepTimestamps(t: Test): Promise<void> {
    await this.#switchOn(t, 'nf_conntrack_timestamp');
  }

  /** They count packets and bytes of each connection, of those that are new from now on. */
  async keepAccounts(t: Test): Promise<void> {
    await this.#switchOn(t, 'nf_conntrack_acct');
  }

  async #switchOn(t: Test, name: string): Promise<void> {
    const set = async (value: '0' | '1') => {
      for (const node of NODES) {
        await this.lab.namespace(node.name).sysctl({ [`net/netfilter/${name}`]: value });
      }
    };
    t.teardown(() => set('0'));
    await set('1');
  }

  /** Agents that have never seen a table before. */
  async newAgents(argv: readonly string[] = []): Promise<Agents> {
    const { lab, traffic } = this;
    return startAgents({ lab, traffic, names: this.#names, argv });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

async function startAgents({
  lab,
  traffic,
  names,
  argv = [],
}: {
  readonly lab: Lab;
  readonly traffic: Traffic;
  readonly names: NameSettings;
  readonly argv?: readonly string[];
}): Promise<Agents> {
  const settings = NODES.map(({ name }) => {
    const node = ['--node-name', name, '--netns', lab.namespace(name).path];
    return readSettings(agentSettings, [...node, ...names(name), ...argv], {});
  });
  return Agents.start({ settings, traffic });
}

async function setTimeouts(lab: Lab, timeouts: Timeouts): Promise<void> {
  const values = Object.entries(timeouts).map(
    ([name, seconds]) => [`net/netfilter/nf_conntrack_${name}`, String(seconds)] as const,
  );
  for (const { name } of NODES) await lab.namespace(name).sysctl(Object.fromEntries(values));
}

/**
 * Without tail loss probes (tcp_early_retrans, Documentation/networking/ip-sysctl.rst): a FIN sent
 * again because a busy machine was some milliseconds late makes its receiver acknowledge it again,
 * and the sender, which has forgotten the connection by now, answers with a RST. In the table that
 * is CLOSE in the place of TIME_WAIT.
 */
async function setNoProbes(lab: Lab): Promise<void> {
  const namespaces = new Set([...PODS, STRANGER, PARTNER].map((place) => lab.namespaceOf(place)));
  await Promise.all(
    Array.from(namespaces, async (namespace) =>
      namespace.sysctl({ 'net/ipv4/tcp_early_retrans': '0' }),
    ),
  );
}
