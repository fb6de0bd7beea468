import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Channel, lineOf } from './channel.ts';
import { startController, until } from './controller-program.ts';
import type { Verdict } from './fleet-agents.ts';
import { FleetGroup } from './fleet-group.ts';
import { FleetMeter, type FleetPhase } from './fleet-meter.ts';
import { startProgram, statusOf, temporaryFolder } from './program.ts';

const FLEET_PROCESSES = 4;
/** Of the phases that have no end of their own. */
const WATCH_MS_MAX = 10_000;
const BASELINE_MS_MAX = 20_000;
/** From the end of a replica until the Service sends nobody to it any more. */
const ENDPOINT_MS = 2000;
/** How often the agents' tables follow the API server. */
const FOLLOW_MS = 500;
const ANSWERED_MS_MAX = 300_000;
/** Of an answer of the bare server. */
const HEADER_BYTES = 156;
/** From the last change of a pod until all watches have told of it. */
const WATCH_LAG_MS = 1000;
/** From then on each agent asks twice. */
const SETTLE_POLLS = 2.2;

export interface FleetSize {
  readonly agents: number;
  readonly pods: number;
  /** Percent of all pods that are replaced a minute. */
  readonly churn: number;
  /** Of the steady state. */
  readonly seconds: number;
  readonly 'poll-seconds': number;
}

/** At the end: every address of every agent, against the API's truth. */
export type FleetVerdict = { readonly scenario: 'fleet'; readonly phase: 'verdict' } & Verdict;

/**
 * A cluster's worth of agents, and two replicas of the controller behind a Service; one of them dies.
 *
 * Programs: a fake API server in which pods are replaced (pod-table.ts); two `khan
 * controller`, from source; a balancer that copies bytes and chooses a replica for each new connection;
 * all agents in four processes, each with the real client (ControllerNames) and the table of
 * node-table.ts. Phases: `watch`, the controllers without agents; `rollout`, all agents start at once,
 * until each has had an answer; `steady`; `failover`, a replica is killed, and for two seconds more
 * half of all new connections go to it, until each agent has had an answer; `settle`, no pod changes
 * any more. `baseline`: a bare HTTP server is asked the questions of the steady state, and answers as
 * many bytes.
 */
export async function benchFleet(size: FleetSize): Promise<(FleetPhase | FleetVerdict)[]> {
  const { agents, pods, churn, seconds, 'poll-seconds': pollSeconds } = size;
  await using resources = new AsyncDisposableStack();
  const bench = (name: string, argv: readonly (string | number)[], preloaded: string[] = []) =>
    new Channel(startProgram([...preloaded, pathOf(name), ...argv.map(String)], resources));
  const api = bench('kube-api-load.ts', ['--pods', pods, '--churn', churn]);
  const server = `http://127.0.0.1:${await lineOf(api.child)}`;
  const replica = async () => {
    const poll = ['--poll-interval', `${1000 * pollSeconds}ms`];
    const { controller, port, pages } = await startController(server, resources, poll);
    await until(async () => (await statusOf(pages)) === 200);
    return { channel: new Channel(controller), port };
  };
  const [survivor, victim] = await Promise.all([replica(), replica()]);
  const balancer = bench('balance.ts', ['--to', `${survivor.port},${victim.port}`]);
  const service = `http://127.0.0.1:${await lineOf(balancer.child)}`;
  const tokens = await temporaryFolder(resources);
  const argv = ['--pods', pods, '--period-ms', 1000 * pollSeconds, '--tokens', tokens];
  const each = Math.ceil(agents / FLEET_PROCESSES);
  const members: Channel[] = [];
  for (let first = 0; first < agents; first += each) {
    const those = ['--first', first, '--agents', Math.min(each, agents - first)];
    members.push(bench('fleet-agents.ts', [...argv, ...those, '--url', service]));
  }
  await Promise.all(members.map(({ child }) => lineOf(child)));
  const fleet = new FleetGroup(members);

  const programs = { survivor: survivor.channel, api, balancer, fleet };
  const meter = new FleetMeter({ agents, pods }, { ...programs, victim: victim.channel });
  await using following = follow(api, fleet);
  const phases = [
    await meter.phase('watch', () => delay(Math.min(WATCH_MS_MAX, 1000 * seconds))),
    await meter.phase('rollout', async () => {
      await fleet.tell({ kind: 'start' });
      await allAnswered(fleet, agents);
    }),
  ];
  const steady = await meter.phase('steady', () => delay(1000 * seconds));
  const failover = await meter.phase('failover', async () => {
    victim.channel.child.kill('SIGKILL');
    await delay(ENDPOINT_MS);
    await balancer.ask(victim.port);
    await allAnswered(fleet, agents);
  });
  await following[Symbol.asyncDispose]();
  await fleet.tell({ kind: 'replaced', count: Number(await api.ask('freeze')) });
  const alone = new FleetMeter({ agents, pods }, programs);
  await delay(WATCH_LAG_MS);
  const settle = await alone.phase('settle', async () => {
    await delay(1000 * SETTLE_POLLS * pollSeconds);
    await allAnswered(fleet, agents);
  });
  const verdict = await fleet.verdict();
  await fleet.tell({ kind: 'stop' });

  const preloaded = ['--import', pathOf('report-block.ts')];
  const bytes = Math.max(1, steady.down_bytes - HEADER_BYTES);
  const bare = bench('constant-server.ts', ['--bytes', bytes], preloaded);
  const relay = bench('balance.ts', ['--to', await lineOf(bare.child)]);
  const url = `http://127.0.0.1:${await lineOf(relay.child)}`;
  const ms = Math.min(BASELINE_MS_MAX, 1000 * seconds);
  const baseline = await new FleetMeter(
    { agents, pods },
    { survivor: bare, api, balancer: relay, fleet },
  ).phase('baseline', () => fleet.tell({ kind: 'baseline', url, ms }));
  phases.push(steady, failover, settle, baseline);
  return [...phases, { scenario: 'fleet', phase: 'verdict', ...verdict }];
}

/** The agents' tables follow what the API server does, until this is disposed of. */
function follow(api: Channel, fleet: FleetGroup): AsyncDisposable {
  const stopping = new AbortController();
  const following = (async () => {
    while (!stopping.signal.aborted) {
      await fleet.tell({ kind: 'replaced', count: Number(await api.ask('replaced')) });
      await delay(FOLLOW_MS);
    }
  })();
  // Who asks the same programs meets the same.
  following.catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await following;
    },
  };
}

/** Each of them, since the phase began. */
async function allAnswered(fleet: FleetGroup, agents: number): Promise<void> {
  const endMs = performance.now() + ANSWERED_MS_MAX;
  while (performance.now() < endMs) {
    const { firstAnswersMs } = await fleet.report();
    if (firstAnswersMs.length === agents) return;
    await delay(FOLLOW_MS);
  }
}

function pathOf(name: string): string {
  return join(import.meta.dirname, name);
}
