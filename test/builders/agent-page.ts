import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import { observeSnapshotTime, SelfMetrics } from '../../src/telemetry/self-metrics.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { publicationOf } from './series.ts';

type Published = Parameters<ConnectionProducer['publish']>[0];

const CYCLE = {
  result: 'success',
  durationMs: 1,
  dumpDurationMs: 1,
  repeatedDumps: 0,
  malformedMessages: 0,
  excludedEntries: 0,
  edges: 1,
  series: 1,
  overflowEdges: 0,
} as const;

/** What an agent writes, one cycle after the other; by the real writer, without a kernel. */
export class AgentPage {
  readonly #producer: ConnectionProducer;
  readonly #page: PrometheusPage;
  readonly #self: SelfMetrics;

  constructor({ nodeName = 'node-a' }: { readonly nodeName?: string } = {}) {
    this.#producer = new ConnectionProducer({ nodeName, version: '0' });
    const { log } = capturedLog();
    this.#page = new PrometheusPage({ producer: this.#producer, pollIntervalMs: () => 1000, log });
    const meter = new MeterProvider({ readers: [this.#page.reader] }).getMeter('khan');
    this.#self = new SelfMetrics(meter);
    observeSnapshotTime(meter, () => this.#producer.takenAtMs);
  }

  /** The page after a snapshot. */
  async after(
    takenAtMs: number,
    series: Published['series'],
    gauges: Published['gauges'] = [],
  ): Promise<string> {
    await this.#producer.publish(
      { ...publicationOf(takenAtMs, ...series), gauges },
      { entries: 7, limit: 262_144 },
    );
    this.#self.recordCycle(CYCLE);
    return this.render();
  }

  async render(): Promise<string> {
    return this.#page.render();
  }
}
