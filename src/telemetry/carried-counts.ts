import type { Attributes, HrTime } from '@opentelemetry/api';
import type { DataPoint } from '@opentelemetry/sdk-metrics';
import type { Measure, Signal } from '../connections/measure.ts';
import { ConnectionPoint, PointSeries } from './connection-point.ts';
import type { SeriesPoints } from './connection-producer.ts';
import { ATTRIBUTE } from './names.ts';

interface Carried {
  readonly measure: Measure;
  readonly primary: boolean;
  /** Of the first series whose counts it holds. */
  readonly startTime: HrTime;
  counts: number;
  /** Takes the place of the ledger's own overflow point, from the first push that needs it on. */
  point: ConnectionPoint | undefined;
}

/**
 * What ended series have counted and no push has delivered, when more of them wait than may: the
 * push tells it with its overflow series, so that sums stay exact. The ledger's overflow series stays
 * as it is, for the page has shown these counts where they belong.
 */
export class CarriedCounts {
  readonly #describeOverflow: (primary: boolean) => Attributes;
  readonly #all: Carried[] = [];

  constructor(describeOverflow: (primary: boolean) => Attributes) {
    this.#describeOverflow = describeOverflow;
  }

  /** No request that tells of these points may be under way. */
  add({ points }: SeriesPoints): void {
    for (const point of points) if (point.measure.isMonotonic) this.#carry(point);
  }

  /** Whether a signal has points of its own here. */
  has(signal: Signal): boolean {
    return this.#all.some(({ measure }) => measure.signal === signal);
  }

  /** The points of a signal with what is carried; `until` is when the last of that ended. */
  merge(signal: Signal, points: readonly DataPoint<number>[], until: HrTime): DataPoint<number>[] {
    const merged = [...points];
    for (const carried of this.#all) {
      if (carried.measure.signal !== signal) continue;
      const at = merged.findIndex((point) => isOverflow(point, carried));
      const own = merged[at];
      carried.point ??= this.#replacementOf(own, carried);
      carried.point.value = (own?.value ?? 0) + carried.counts;
      carried.point.endTime = after(own?.endTime ?? until, carried.point.pushedUntil);
      merged.splice(own === undefined ? merged.length : at, 1, carried.point);
    }
    return merged;
  }

  #carry({ measure, attributes, startTime, value, pushedValue }: ConnectionPoint): void {
    if (value === pushedValue) return;
    const primary = attributes[ATTRIBUTE.primary] === true;
    let carried = this.#all.find((one) => one.measure === measure && one.primary === primary);
    if (carried === undefined) {
      carried = { measure, primary, startTime, counts: 0, point: undefined };
      this.#all.push(carried);
    }
    carried.counts += value - pushedValue;
  }

  /** Goes on where the point in whose place it is told has come. */
  #replacementOf(own: DataPoint<number> | undefined, { measure, primary, startTime }: Carried) {
    const attributes = this.#describeOverflow(primary);
    const series = new PointSeries(attributes, own?.startTime ?? startTime, 0);
    const point = new ConnectionPoint(series, measure);
    if (own instanceof ConnectionPoint) {
      point.pushedValue = own.pushedValue;
      point.pushedUntil = own.pushedUntil;
    }
    return point;
  }
}

/** A later time than what has been told last: between two pushes there may be no snapshot. */
function after(time: HrTime, [seconds, nanos]: HrTime = [0, 0]): HrTime {
  const isLater = time[0] > seconds || (time[0] === seconds && time[1] > nanos);
  return isLater ? time : [seconds, nanos + 1];
}

function isOverflow(point: DataPoint<number>, { measure, primary }: Carried): boolean {
  if (!(point instanceof ConnectionPoint) || point.measure !== measure) return false;
  const { attributes } = point.series;
  return attributes[ATTRIBUTE.overflow] === true && attributes[ATTRIBUTE.primary] === primary;
}
