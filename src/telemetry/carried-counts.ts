import type { Attributes, HrTime } from '@opentelemetry/api';
import type { DataPoint } from '@opentelemetry/sdk-metrics';
import { ConnectionPoint, PointSeries } from './connection-point.ts';
import type { SeriesPoints } from './connection-producer.ts';
import { ATTRIBUTE, METRIC } from './names.ts';

interface Carried {
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
  readonly #opened: Carried[] = [];
  readonly #closed: Carried[] = [];

  constructor(describeOverflow: (primary: boolean) => Attributes) {
    this.#describeOverflow = describeOverflow;
  }

  /** No request that tells of these points may be under way. */
  add({ opened, closed }: SeriesPoints): void {
    carry(this.#opened, opened);
    carry(this.#closed, closed);
  }

  /** Whether a metric has points of its own here. */
  has(metric: string): boolean {
    return this.#of(metric).length > 0;
  }

  /** The points of a metric with what is carried; `until` is when the last of that ended. */
  merge(metric: string, points: readonly DataPoint<number>[], until: HrTime): DataPoint<number>[] {
    const merged = [...points];
    for (const carried of this.#of(metric)) {
      const at = merged.findIndex((point) => isOverflow(point, carried.primary));
      const own = merged[at];
      carried.point ??= this.#replacementOf(own, carried);
      carried.point.value = (own?.value ?? 0) + carried.counts;
      carried.point.endTime = after(own?.endTime ?? until, carried.point.pushedUntil);
      merged.splice(own === undefined ? merged.length : at, 1, carried.point);
    }
    return merged;
  }

  #of(metric: string): readonly Carried[] {
    if (metric === METRIC.connection.name) return this.#opened;
    return metric === METRIC.connectionClosed.name ? this.#closed : [];
  }

  /** Goes on where the point in whose place it is told has come. */
  #replacementOf(own: DataPoint<number> | undefined, { primary, startTime }: Carried) {
    const attributes = own?.attributes ?? this.#describeOverflow(primary);
    const point = new ConnectionPoint(new PointSeries(attributes, own?.startTime ?? startTime, 0));
    if (own instanceof ConnectionPoint) {
      point.pushedValue = own.pushedValue;
      point.pushedUntil = own.pushedUntil;
    }
    return point;
  }
}

function carry(
  all: Carried[],
  { attributes, startTime, value, pushedValue }: ConnectionPoint,
): void {
  if (value === pushedValue) return;
  const primary = attributes[ATTRIBUTE.primary] === true;
  let carried = all.find((one) => one.primary === primary);
  if (carried === undefined) {
    carried = { primary, startTime, counts: 0, point: undefined };
    all.push(carried);
  }
  carried.counts += value - pushedValue;
}

/** A later time than what has been told last: between two pushes there may be no snapshot. */
function after(time: HrTime, [seconds, nanos]: HrTime = [0, 0]): HrTime {
  const isLater = time[0] > seconds || (time[0] === seconds && time[1] > nanos);
  return isLater ? time : [seconds, nanos + 1];
}

function isOverflow({ attributes }: DataPoint<number>, primary: boolean): boolean {
  return attributes[ATTRIBUTE.overflow] === true && attributes[ATTRIBUTE.primary] === primary;
}
