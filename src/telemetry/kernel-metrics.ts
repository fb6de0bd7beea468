import type { Meter } from '@opentelemetry/api';
import type { Statistics } from '../conntrack/statistics.ts';
import { instrument } from './instrument.ts';
import { METRIC, type MetricName } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

const METRICS: Readonly<Record<keyof Statistics, MetricName>> = {
  invalid: METRIC.conntrackInvalid,
  insertFailed: METRIC.conntrackInsertFailed,
  drop: METRIC.conntrackDrop,
  earlyDrop: METRIC.conntrackEarlyDrop,
  error: METRIC.conntrackError,
  searchRestart: METRIC.conntrackSearchRestart,
  clashResolve: METRIC.conntrackClashResolve,
  chainTooLong: METRIC.conntrackChainTooLong,
};

/** The kernel's own statistics of the table, as counters that begin with the agent. */
export class KernelMetrics {
  #last: Statistics | undefined;

  constructor(meter: Meter, { nodeName }: { readonly nodeName: string }) {
    const attributes = { [ATTRIBUTE.node]: nodeName };
    const observed = Object.entries(METRICS).map(([statistic, metric]) => {
      return [statistic, meter.createObservableCounter(...instrument(metric))] as const;
    });
    meter.addBatchObservableCallback(
      (result) => {
        const values = new Map(Object.entries(this.#last ?? {}));
        for (const [statistic, counter] of observed) {
          const value = values.get(statistic);
          if (value !== undefined) result.observe(counter, value, attributes);
        }
      },
      observed.map(([, counter]) => counter),
    );
  }

  /** After each snapshot. */
  record(statistics: Statistics | undefined): void {
    this.#last = statistics ?? this.#last;
  }
}
