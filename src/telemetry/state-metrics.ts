import type { Meter } from '@opentelemetry/api';
import { instrument } from './instrument.ts';
import { METRIC } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

/** How the agent's state is kept; without `--state-dir` there is none of it. */
export class StateMetrics {
  readonly #saves;
  #bytes: number | undefined;

  constructor(meter: Meter) {
    this.#saves = meter.createCounter(...instrument(METRIC.agentStateSaves));
    // From the first scrape on, so that the first failure is an increase.
    this.#saves.add(0, { [ATTRIBUTE.result]: 'success' });
    this.#saves.add(0, { [ATTRIBUTE.result]: 'failure' });
    meter
      .createObservableUpDownCounter(...instrument(METRIC.agentStateBytes))
      .addCallback((result) => {
        if (this.#bytes !== undefined) result.observe(this.#bytes);
      });
  }

  /** After a failure there is no state any more. */
  record(result: { readonly kind: string; readonly bytes?: number }): void {
    if (result.kind !== 'saved' && result.kind !== 'failed') return;
    const { kind, bytes = 0 } = result;
    this.#saves.add(1, { [ATTRIBUTE.result]: kind === 'saved' ? 'success' : 'failure' });
    this.#bytes = bytes;
  }
}
