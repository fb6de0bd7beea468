import type { Attributes, HrTime } from '@opentelemetry/api';
import type { DataPoint } from '@opentelemetry/sdk-metrics';
import type { LabelPart } from './label-parts.ts';
import { ATTRIBUTE } from './names.ts';

/** What the points of one series have in common. */
export class PointSeries {
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  /** When the series was first published, in ms since the epoch. */
  readonly publishedAtMs: number;
  /** The attributes as the Prometheus page has them; undefined as long as they were on none. */
  labelParts: readonly LabelPart[] | undefined;

  constructor(attributes: Attributes, startTime: HrTime, publishedAtMs: number) {
    this.attributes = attributes;
    this.startTime = startTime;
    this.publishedAtMs = publishedAtMs;
  }
}

/**
 * The live data point of one series, the same object from publication to publication: at 100,000
 * series new ones would cost more than all the rest of a publication.
 *
 * `endTime` is the time of the snapshot, not of the collection: that is when the value was true. A
 * collector that gets the same snapshot twice can see that it is the same.
 */
export class ConnectionPoint implements DataPoint<number> {
  readonly series: PointSeries;
  /** Of khan_connection_active. */
  readonly state: string | undefined;
  endTime: HrTime;
  value = 0;
  /** What the OTLP push has delivered last, kept here because it is as many as there are points. */
  pushedValue = 0;
  /** `endTime` of what it has delivered last. */
  pushedUntil: HrTime | undefined;

  constructor(series: PointSeries, state?: string) {
    this.series = series;
    this.state = state;
    this.endTime = series.startTime;
  }

  get startTime(): HrTime {
    return this.series.startTime;
  }

  /** With a state made anew each time: the pages have no need of it, and there are very many points. */
  get attributes(): Attributes {
    const { attributes } = this.series;
    return this.state === undefined ? attributes : { ...attributes, [ATTRIBUTE.state]: this.state };
  }
}
