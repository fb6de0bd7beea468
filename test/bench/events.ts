import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import type { NetworkNamespace } from '../../src/demo/namespace.ts';
import { parsePage } from '../../src/telemetry/samples.ts';
import type { Shortly } from '../kernel/short-connections.ts';
import { createTracked, make } from '../kernel/tracked.ts';
import { startProgram, statusOf } from './program.ts';
import { medianOf, rounded, tell, type Told } from './spread.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const POLL_MS = 5_000;
/** Longer than a poll, as it is everywhere: those closed in order are seen by snapshots as well. */
const TIME_WAIT_SECONDS = 8;
/** Until the last of them has left, and one more. */
const POLLS_BEHIND = 3;
const READY_MS_MAX = 30_000;
const CHECK_MS = 50;
/** USER_HZ, in which proc_pid_stat(5) counts processor time on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Of one wish of short-connections.ts, which has a source port for each. */
const WISH_MAX = 10_000;

export interface EventsSize {
  readonly connections: number;
  readonly rounds: number;
}

/**
 * One line of the result, medians over the rounds. `counted_share` is of the connections, those counted
 * as opened; `cpu_ms` is of the agent, from the first of them until all have left the table; `ratio`
 * against the agent without events that ran beside it.
 */
export interface EventsResult extends Told<'counted_share' | 'cpu_ms' | 'ratio'> {
  readonly scenario: string;
  readonly events: 'none' | 'destroy';
  readonly connections: number;
  readonly per_second: number;
  /** `cpu_ms` as a share of one core. */
  readonly cpu_share: number;
}

interface Sample {
  readonly seconds: number;
  readonly cpuMs: number;
  readonly counted: number;
}

/** What following events costs and what it brings: two agents see the same real connections. */
export async function benchEvents({ connections, rounds }: EventsSize): Promise<EventsResult[]> {
  await using resources = new AsyncDisposableStack();
  const namespace = resources.use(await createTracked());
  const timeWait = { 'net/netfilter/nf_conntrack_tcp_timeout_time_wait': `${TIME_WAIT_SECONDS}` };
  await namespace.sysctl(timeWait);
  const agents = [
    await startAgent(namespace, 'none', resources),
    await startAgent(namespace, 'destroy', resources),
  ];
  const samples: Sample[][] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await Promise.all(agents.map((agent) => agent.read()));
    const beganMs = performance.now();
    await make(namespace, wishesFor(connections));
    const seconds = (performance.now() - beganMs) / 1000;
    await delay((POLLS_BEHIND - 1) * POLL_MS);
    // Whoever reads a page is shown a new counter at 0 first.
    await Promise.all(agents.map((agent) => agent.read()));
    await delay(POLL_MS);
    const after = await Promise.all(agents.map((agent) => agent.read()));
    samples.push(
      agents.map((_, at) => ({
        seconds,
        cpuMs: after[at]!.cpuMs - before[at]!.cpuMs,
        counted: after[at]!.opened - before[at]!.opened,
      })),
    );
  }
  return agents.map(({ events }, at) => {
    const mine = samples.map((round) => round[at]!);
    const seconds = medianOf(mine.map((sample) => sample.seconds));
    const cpuMs = medianOf(mine.map((sample) => sample.cpuMs));
    return {
      scenario: 'events',
      events,
      connections,
      per_second: Math.round(connections / seconds),
      ...tell({
        counted_share: mine.map(({ counted }) => counted / connections),
        cpu_ms: mine.map((sample) => sample.cpuMs),
        ratio: samples.map((round) => round[at]!.cpuMs / round[0]!.cpuMs),
      }),
      cpu_share: rounded(cpuMs / 1000 / (seconds + (POLLS_BEHIND * POLL_MS) / 1000)),
    };
  });
}

/** Half of them refused, half of them closed in order. */
function wishesFor(connections: number): Shortly[] {
  const wishes: Shortly[] = [];
  for (const how of ['refused', 'orderly'] as const) {
    for (let left = Math.round(connections / 2), port = 5001; left > 0; port++) {
      const count = Math.min(left, WISH_MAX);
      wishes.push({ how, source: '127.0.0.1', destination: '127.0.0.1', port, count });
      left -= count;
    }
  }
  return wishes;
}

async function startAgent(
  { path }: NetworkNamespace,
  events: 'none' | 'destroy',
  resources: AsyncDisposableStack,
) {
  const listen = `127.0.0.1:${await freePort(0)}`;
  const argv = ['agent', '--netns', path, '--exclude', 'none', '--listen', listen].concat([
    '--poll-interval',
    `${POLL_MS}ms`,
    '--log-level',
    'error',
    '--events',
    events,
  ]);
  const program = startProgram([CLI, ...argv], resources);
  const url = `http://${listen}`;
  const beganMs = performance.now();
  while ((await statusOf(url)) !== 200) {
    if (performance.now() - beganMs > READY_MS_MAX || program.exitCode !== null)
      throw new Error('Cannot measure: the agent is not ready');
    await delay(CHECK_MS);
  }
  const read = async () => {
    const cpuMs = await cpuMsOf(program.pid);
    const page = parsePage(await (await fetch(`${url}/metrics`)).text());
    const opened = page.filter(({ name }) => name === 'khan_connection_total');
    return { cpuMs, opened: opened.reduce((sum, { value }) => sum + value, 0) };
  };
  return { events, read };
}

async function cpuMsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Behind the name, which is in parentheses and may hold anything: state is field 3, utime is 14.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}
