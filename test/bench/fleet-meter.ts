import type { ChildProcess } from 'node:child_process';
import type { Traffic } from './balance.ts';
import type { Channel } from './channel.ts';
import type { FleetGroup } from './fleet-group.ts';
import { cpuSecondsOf, forgetPeakOf, memoryOf } from './program.ts';

export interface FleetPrograms {
  /** Tells how long its event loop is blocked, where that is a controller. */
  readonly survivor: Channel;
  readonly victim?: Channel;
  readonly api: Channel;
  readonly balancer: Channel;
  readonly fleet: FleetGroup;
}

/** One line of the result. Shares are of one core. Times of questions are those of the agents. */
export interface FleetPhase {
  readonly scenario: 'fleet';
  readonly phase: string;
  readonly agents: number;
  readonly pods: number;
  readonly seconds: number;
  /** Answered, and those that were not: by 429, by 5xx, by a connection that broke, and all others. */
  readonly questions: number;
  readonly busy: number;
  readonly unavailable: number;
  readonly broken: number;
  readonly otherwise: number;
  readonly questions_per_second: number;
  readonly p50_ms: number;
  readonly p90_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  /** Of the agents that have had an answer in this phase: after how long half, and all of them. */
  readonly answered: number;
  readonly answered_p50_s: number;
  readonly answered_max_s: number;
  /** On the wire, of a question: HTTP headers are in it. */
  readonly up_bytes: number;
  readonly down_bytes: number;
  readonly connections_opened: number;
  readonly survivor_cpu: number;
  readonly survivor_rss_mb: number;
  readonly survivor_rss_peak_mb: number;
  readonly survivor_block_ms: number;
  /** CPU time of a question in the replicas that are alive at the end, the watch's share included. */
  readonly cpu_ms: number;
  readonly victim_cpu: number;
  readonly api_cpu: number;
  readonly balancer_cpu: number;
  readonly fleet_cpu: number;
  readonly fleet_rss_mb: number;
  readonly fleet_block_ms: number;
}

type Cpu = Readonly<Record<'survivor' | 'victim' | 'api' | 'balancer' | 'fleet', number>>;

/** Measures all programs of a fleet, from phase to phase. */
export class FleetMeter {
  readonly #size: { readonly agents: number; readonly pods: number };
  readonly #programs: FleetPrograms;

  constructor(size: { readonly agents: number; readonly pods: number }, programs: FleetPrograms) {
    this.#size = size;
    this.#programs = programs;
  }

  async phase(phase: string, work: () => Promise<unknown>): Promise<FleetPhase> {
    const { survivor, balancer, fleet } = this.#programs;
    await forgetPeakOf(survivor.child);
    await survivor.ask('block');
    await fleet.tell({ kind: 'begin' });
    const beganCpu = await this.#cpu();
    const beganTraffic: Traffic = await balancer.ask('');
    const beganMs = performance.now();
    await work();
    const seconds = (performance.now() - beganMs) / 1000;
    const cpu = await this.#cpu();
    const traffic: Traffic = await balancer.ask('');
    const report = await fleet.report();
    const { rss_mb, rss_peak_mb } = await memoryOf(survivor.child);
    const { durationsMs, unanswered } = report;
    const { busy = 0, unavailable = 0, connection: broken = 0, ...others } = unanswered;
    const questions = durationsMs.length;
    const all = questions + sum(Object.values(unanswered));
    const spent = (program: keyof Cpu) => Math.max(0, cpu[program] - beganCpu[program]);
    const share = (program: keyof Cpu) => rounded(spent(program) / seconds);
    const ofTimes = percentiles(durationsMs);
    const ofAnswers = percentiles(report.firstAnswersMs.map((ms) => ms / 1000));
    return {
      scenario: 'fleet',
      phase,
      ...this.#size,
      seconds: rounded(seconds),
      questions,
      busy,
      unavailable,
      broken,
      otherwise: sum(Object.values(others)),
      questions_per_second: rounded(questions / seconds),
      p50_ms: ofTimes(0.5),
      p90_ms: ofTimes(0.9),
      p99_ms: ofTimes(0.99),
      max_ms: ofTimes(1),
      answered: report.firstAnswersMs.length,
      answered_p50_s: ofAnswers(0.5),
      answered_max_s: ofAnswers(1),
      up_bytes: Math.round((traffic.upBytes - beganTraffic.upBytes) / Math.max(1, all)),
      down_bytes: Math.round((traffic.downBytes - beganTraffic.downBytes) / Math.max(1, all)),
      connections_opened: traffic.opened - beganTraffic.opened,
      survivor_cpu: share('survivor'),
      survivor_rss_mb: rss_mb,
      survivor_rss_peak_mb: rss_peak_mb,
      survivor_block_ms: rounded((await survivor.ask('block')).ms),
      cpu_ms: rounded((1000 * (spent('survivor') + spent('victim'))) / all),
      victim_cpu: share('victim'),
      api_cpu: share('api'),
      balancer_cpu: share('balancer'),
      fleet_cpu: share('fleet'),
      fleet_rss_mb: rounded(await fleet.rssMb()),
      fleet_block_ms: rounded(report.blockMs),
    };
  }

  async #cpu(): Promise<Cpu> {
    const { survivor, victim, api, balancer, fleet } = this.#programs;
    return {
      survivor: await cpuSecondsOf(survivor.child),
      victim: await livingCpuOf(victim?.child),
      api: await cpuSecondsOf(api.child),
      balancer: await cpuSecondsOf(balancer.child),
      fleet: await fleet.cpuSeconds(),
    };
  }
}

/** Of one that has ended there is nothing to read: 0 then, and none of its time is counted. */
async function livingCpuOf(child: ChildProcess | undefined): Promise<number> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return 0;
  return cpuSecondsOf(child);
}

/** The nearest rank; NaN, which is null in JSON, where there is nothing. */
function percentiles(values: readonly number[]): (fraction: number) => number {
  const sorted = values.toSorted((a, b) => a - b);
  return (fraction) => rounded(sorted[Math.ceil(fraction * sorted.length) - 1] ?? Number.NaN);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
