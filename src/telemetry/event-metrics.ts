import type { Meter } from '@opentelemetry/api';
import type { EventReport } from '../connections/snapshot.ts';
import { instrument } from './instrument.ts';
import { METRIC } from './metric-names.ts';

/** How following the kernel's events goes. */
export class EventMetrics {
  readonly #received;
  readonly #overflows;
  readonly #paused;
  #isFollowing: boolean | undefined;

  constructor(meter: Meter) {
    this.#received = meter.createCounter(...instrument(METRIC.agentEvents));
    this.#overflows = meter.createCounter(...instrument(METRIC.agentEventOverflows));
    this.#paused = meter.createCounter(...instrument(METRIC.agentEventsPaused));
    // From the first scrape on, so that the first overflow is an increase.
    this.#overflows.add(0);
    this.#paused.add(0);
    meter.createObservableGauge(...instrument(METRIC.agentEventsFollowed)).addCallback((result) => {
      if (this.#isFollowing !== undefined) result.observe(Number(this.#isFollowing));
    });
  }

  /** After each snapshot. */
  record({ isFollowing, received, overflows, pausedMs }: EventReport): void {
    this.#received.add(received);
    this.#overflows.add(overflows);
    this.#paused.add(pausedMs / 1000);
    this.#isFollowing = isFollowing;
  }
}
