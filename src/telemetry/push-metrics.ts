import type { Meter, Observable } from '@opentelemetry/api';
import { instrument } from './instrument.ts';
import { METRIC } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';

/** Who else can say how the push does. */
interface Backlog {
  readonly waitingSeries: number;
  readonly lostSeries: number;
}

/**
 * What becomes of the OTLP requests. Counted here and observed at each collection, for the meter is
 * only there when the exporter is.
 */
export class PushMetrics {
  #succeeded = 0;
  #failed = 0;
  #accepted = 0;
  #rejected = 0;
  #rejectedOfThis = 0;

  answered(points: number): void {
    const rejected = Math.min(this.#rejectedOfThis, points);
    this.#rejectedOfThis = 0;
    this.#succeeded += 1;
    this.#accepted += points - rejected;
    this.#rejected += rejected;
  }

  failed(): void {
    this.#failed += 1;
  }

  /** So the answer says; it comes before answered(). */
  rejected(points: number): void {
    this.#rejectedOfThis = points;
  }

  observe(meter: Meter, backlog: Backlog): void {
    const requests = meter.createObservableCounter(...instrument(METRIC.agentPushRequests));
    const points = meter.createObservableCounter(...instrument(METRIC.agentPushedPoints));
    const waiting = meter.createObservableUpDownCounter(...instrument(METRIC.agentWaitingSeries));
    const lost = meter.createObservableCounter(...instrument(METRIC.agentLostSeries));
    const observables: Observable[] = [requests, points, waiting, lost];
    meter.addBatchObservableCallback((result) => {
      result.observe(requests, this.#succeeded, { [ATTRIBUTE.result]: 'success' });
      result.observe(requests, this.#failed, { [ATTRIBUTE.result]: 'failure' });
      result.observe(points, this.#accepted, { [ATTRIBUTE.result]: 'accepted' });
      result.observe(points, this.#rejected, { [ATTRIBUTE.result]: 'rejected' });
      result.observe(waiting, backlog.waitingSeries);
      result.observe(lost, backlog.lostSeries);
    }, observables);
  }
}
