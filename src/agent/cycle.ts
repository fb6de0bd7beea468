import { setImmediate as pause } from 'node:timers/promises';
import type { Attributes } from '@opentelemetry/api';
import type { LeakEvent, LeakFindings } from '../connections/leak-watch.ts';
import type { Ledger } from '../connections/ledger.ts';
import type { Gauge, Publication } from '../connections/series.ts';
import type {
  AddressTakeover,
  EdgeColumns,
  EventReport,
  Snapshot,
} from '../connections/snapshot.ts';
import { CpuTime } from '../runtime/cpu-time.ts';
import type { Log } from '../runtime/log.ts';
import type { ConnectionProducer } from '../telemetry/connection-producer.ts';
import type { EventMetrics } from '../telemetry/event-metrics.ts';
import type { KernelMetrics } from '../telemetry/kernel-metrics.ts';
import type { SelfMetrics } from '../telemetry/self-metrics.ts';
import type { Names } from './names.ts';

/** How long a cycle waits for the owners of its addresses before it publishes what it knows. */
const RESOLVE_TIMEOUT_MS = 2_000;

export interface CycleParts {
  readonly snapshots: {
    take(): Promise<Snapshot>;
    /** The edges of the last snapshot, with what began before these takeovers apart from now on. */
    divide(takeovers: readonly AddressTakeover[]): Promise<EdgeColumns>;
    /** Forgets everything: the next snapshot is a baseline. */
    reset(): Promise<void>;
    /** Processor time that snapshots have taken so far, the kernel's dump included. */
    readonly cpuMs: number;
  };
  readonly names: Names;
  readonly ledger: Ledger<Attributes>;
  /** Unless nobody wants to know. */
  readonly leaks?:
    | {
        readonly watch: {
          look(publication: Publication<Attributes>): Generator<void, LeakFindings<Attributes>>;
        };
        readonly report: { tell(events: Iterable<LeakEvent<Attributes>>): void };
      }
    | undefined;
  readonly producer: ConnectionProducer;
  readonly metrics: SelfMetrics;
  /** Is told what each cycle has cost. */
  readonly interval: { note(costMs: number): void };
  readonly kernel: KernelMetrics;
  /** Undefined where events are not followed. */
  readonly events?: EventMetrics | undefined;
  /** Undefined where none is kept. */
  readonly state?: { save(publication: Publication<Attributes>): Promise<void> } | undefined;
  readonly log: Log;
}

/** The agent's one tick: dump → count → name → save → publish. */
export class Cycle {
  readonly #parts: CycleParts;
  #hasWarnedOfEmptyTable = false;
  #isFollowing = true;
  #areEventsOff = false;
  readonly #cpu = new CpuTime();

  constructor(parts: CycleParts) {
    this.#parts = parts;
  }

  /** Rejects when nothing could be published; what was published last stays. */
  async tick(signal: AbortSignal): Promise<void> {
    const beganMs = performance.now();
    const spentMs = this.#cpuMs;
    const { metrics, kernel, interval } = this.#parts;
    try {
      const snapshot = await this.#parts.snapshots.take();
      kernel.record(snapshot.statistics);
      if (snapshot.events !== undefined) this.#tellEvents(snapshot.events);
      await this.#publish(snapshot, signal);
      metrics.recordCycle({
        result: 'success',
        durationMs: performance.now() - beganMs,
        dumpDurationMs: snapshot.durationMs,
        repeatedDumps: snapshot.repeated,
        malformedMessages: snapshot.malformed + (snapshot.events?.malformed ?? 0),
        ...this.#parts.ledger.size,
      });
      this.#warnOfEmptyTable(snapshot);
    } catch (error) {
      metrics.recordCycle({ result: 'failure', durationMs: performance.now() - beganMs });
      throw error;
    } finally {
      interval.note(this.#cpuMs - spentMs);
    }
  }

  /** Of both threads, as far as less of it is taken when there are fewer cycles. */
  get #cpuMs(): number {
    return this.#parts.snapshots.cpuMs + this.#cpu.totalMs;
  }

  async #publish(snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const { ledger, names, producer, snapshots, state, log } = this.#parts;
    const cpu = this.#cpu;
    const columns = [snapshot.edges];
    try {
      await cpu.run(ledger.begin(snapshot));
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)]);
      await names.resolve(ledger.addresses(), { signal: deadline });
      const takeovers = ledger.takeOver(names.takeovers());
      if (takeovers.length > 0) {
        const divided = await snapshots.divide(takeovers);
        columns.push(divided);
        await cpu.run(ledger.amend(divided));
      }
      await cpu.run(
        ledger.rename(
          (address) => names.identityOf(address),
          (address) => names.hasEnded(address),
        ),
      );
      const committed = cpu.measure(() => ledger.commit());
      for (const edges of columns) release(edges);
      await pause();
      const scores = await this.#lookForLeaks(committed);
      const publication = { ...committed, gauges: [...committed.gauges, ...scores] };
      await cpu.run(producer.prepare(publication));
      await cpu.during(async () => state?.save(publication));
      const { tableEntries: entries, tableLimit: limit } = snapshot;
      await producer.publish(publication, { entries, limit });
    } catch (error) {
      // A snapshot that is not committed takes its counts with it; only a baseline can follow.
      await snapshots.reset();
      throw error;
    }
    log.debug(
      { entries: snapshot.entries, dumpMs: snapshot.durationMs, ...ledger.size },
      'Snapshot published',
    );
  }

  #tellEvents(report: EventReport): void {
    const { events, log } = this.#parts;
    events?.record(report);
    if (report.areEventsOff && !this.#areEventsOff) {
      log.warn('The kernel tells of no events: net.netfilter.nf_conntrack_events is 0');
    }
    this.#areEventsOff = report.areEventsOff;
    if (report.overflows > 0) {
      log.warn(
        'Events of the connection tracking table were lost: connections that no snapshot sees ' +
          'are missed until events are followed again',
      );
    } else if (report.isFollowing && !this.#isFollowing) {
      log.info('Events of the connection tracking table are followed again');
    }
    this.#isFollowing = report.isFollowing;
  }

  /** Tells of leaks that begin or end; resolves to the scores. */
  async #lookForLeaks(publication: Publication<Attributes>): Promise<readonly Gauge<Attributes>[]> {
    const { leaks } = this.#parts;
    if (leaks === undefined) return [];
    const { events, gauges } = await this.#cpu.run(leaks.watch.look(publication));
    leaks.report.tell(events);
    return gauges;
  }

  #warnOfEmptyTable({ available, entries }: Snapshot): void {
    if (entries > 0) this.#hasWarnedOfEmptyTable = false;
    if (entries > 0 || this.#hasWarnedOfEmptyTable) return;
    this.#hasWarnedOfEmptyTable = true;
    const reason = available
      ? 'no rule here asks for connection tracking, or connections pass it by ' +
        '(an eBPF data path such as Cilium without kube-proxy, or NOTRACK rules)'
      : 'the kernel has no nf_conntrack_netlink (is the module loaded?)';
    this.#parts.log.warn(`The connection tracking table is empty: ${reason}`);
  }
}

/** Gives the memory of the columns back at once, which garbage would keep until after the next dump. */
function release(edges: EdgeColumns): void {
  for (const { buffer } of Object.values(edges)) buffer.transfer(0);
}
