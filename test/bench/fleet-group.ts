import { Channel } from './channel.ts';
import type { Command, Report, Verdict } from './fleet-agents.ts';
import { cpuSecondsOf, memoryOf } from './program.ts';

/** All agents of a fleet, in several processes: collecting the garbage of one holds up few of them. */
export class FleetGroup {
  readonly #members: readonly Channel[];

  constructor(members: readonly Channel[]) {
    this.#members = members;
  }

  async tell(command: Command): Promise<void> {
    await this.#ask(command);
  }

  async report(): Promise<Report> {
    const reports: Report[] = await this.#ask({ kind: 'report' });
    const unanswered: Record<string, number> = {};
    for (const [reason, count] of reports.flatMap((each) => Object.entries(each.unanswered))) {
      unanswered[reason] = (unanswered[reason] ?? 0) + count;
    }
    return {
      durationsMs: reports.flatMap(({ durationsMs }) => durationsMs),
      unanswered,
      firstAnswersMs: reports.flatMap(({ firstAnswersMs }) => firstAnswersMs),
      blockMs: Math.max(...reports.map(({ blockMs }) => blockMs)),
    };
  }

  async verdict(): Promise<Verdict> {
    const verdicts: Verdict[] = await this.#ask({ kind: 'check' });
    return verdicts.reduce((a, b) => ({
      addresses: a.addresses + b.addresses,
      wrong: a.wrong + b.wrong,
      missing: a.missing + b.missing,
    }));
  }

  async cpuSeconds(): Promise<number> {
    return this.#sum(async ({ child }) => cpuSecondsOf(child));
  }

  async rssMb(): Promise<number> {
    return this.#sum(async ({ child }) => (await memoryOf(child)).rss_mb);
  }

  async #ask(command: Command): Promise<any[]> {
    return Promise.all(this.#members.map((member) => member.ask(command)));
  }

  async #sum(of: (member: Channel) => Promise<number>): Promise<number> {
    const values = await Promise.all(this.#members.map(of));
    return values.reduce((total, value) => total + value, 0);
  }
}
