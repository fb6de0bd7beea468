import type { Attributes, HrTime } from '@opentelemetry/api';
import type { DataPoint } from '@opentelemetry/sdk-metrics';
import type { Measure, Signal } from '../connections/measure.ts';
import { ATTRIBUTE } from './names.ts';

/** The attribute that tells the points of one series and signal apart. */
const OWN_ATTRIBUTE: Readonly<Partial<Record<Signal, string>>> = {
  bytes: ATTRIBUTE.direction,
  packets: ATTRIBUTE.direction,
  active: ATTRIBUTE.state,
  idle: ATTRIBUTE.idle,
  half_closed: ATTRIBUTE.closedBy,
  oldest: ATTRIBUTE.exact,
};

/** Signals whose values are small whole numbers. */
const COUNTS: ReadonlySet<Signal> = new Set([
  'opened',
  'closed',
  'active',
  'idle',
  'half_closed',
  'unanswered',
  'orphaned',
] as const);

const NONE: Attributes = {};
const OWN_ATTRIBUTES = new Map<Measure, Attributes>();

/** The attribute that a measure has of its own, if any: the same object each time. */
export function ownAttributes(measure: Measure): Attributes {
  const name = OWN_ATTRIBUTE[measure.signal];
  if (name === undefined || measure.value === undefined) return NONE;
  let attributes = OWN_ATTRIBUTES.get(measure);
  if (attributes === undefined) {
    attributes = { [name]: measure.value };
    OWN_ATTRIBUTES.set(measure, attributes);
  }
  return attributes;
}

/** What the points of one series have in common. */
export class PointSeries {
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  /** When the series was first published, in ms since the epoch. */
  readonly publishedAtMs: number;
  /** In the order of the series' measures, of which none ever goes while the series lives. */
  points: readonly ConnectionPoint[] = [];

  constructor(attributes: Attributes, startTime: HrTime, publishedAtMs: number) {
    this.attributes = attributes;
    this.startTime = startTime;
    this.publishedAtMs = publishedAtMs;
  }

  /** Makes the points that it lacks; the measures that it has of them stay the first. */
  makePoints(measures: readonly Measure[]): void {
    const { points } = this;
    if (points.length === measures.length) return;
    this.points = measures.map((measure, at) => points[at] ?? pointOf(this, measure));
  }
}

/** A new point of the right class. */
export function pointOf(series: PointSeries, measure: Measure): ConnectionPoint {
  const isCount = COUNTS.has(measure.signal);
  return isCount ? new ConnectionPoint(series, measure) : new QuantityPoint(series, measure);
}

/**
 * The live data point of one measure of a series, the same object from publication to publication: at 100,000
 * series new ones would cost more than all the rest of a publication.
 *
 * `endTime` is the time of the snapshot, not of the collection: that is when the value was true. A
 * collector that gets the same snapshot twice can see that it is the same.
 */
export class ConnectionPoint implements DataPoint<number> {
  readonly series: PointSeries;
  readonly measure: Measure;
  endTime: HrTime;
  value = 0;
  /** What the OTLP push has delivered last, kept here because it is as many as there are points. */
  pushedValue = 0;
  /** `endTime` of what it has delivered last. */
  pushedUntil: HrTime | undefined;

  constructor(series: PointSeries, measure: Measure) {
    this.series = series;
    this.measure = measure;
    this.endTime = series.startTime;
  }

  get startTime(): HrTime {
    return this.series.startTime;
  }

  /** With one of its own made anew each time: the pages have no need of it, and there are very many points. */
  get attributes(): Attributes {
    const { attributes } = this.series;
    const own = ownAttributes(this.measure);
    return own === NONE ? attributes : { ...attributes, ...own };
  }
}

/**
 * A point whose values may be fractions, or above 2^31. In a class of its own because V8 keeps such
 * numbers outside of the object, and would do so for all points of one class.
 */
class QuantityPoint extends ConnectionPoint {}

export function toHrTime(epochMs: number): HrTime {
  const seconds = Math.trunc(epochMs / 1000);
  return [seconds, Math.trunc((epochMs - seconds * 1000) * 1e6)];
}
