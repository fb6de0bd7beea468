import { ValueType, type Attributes, type HrTime } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  type DataPoint,
  type Histogram,
  type HistogramMetricData,
} from '@opentelemetry/sdk-metrics';
import type { DurationCounts, DurationSeries } from '../connections/series.ts';
import { DURATION_LIMITS } from '../connections/durations.ts';
import type { Delivered } from './delta.ts';
import { METRIC } from './metric-names.ts';

/** The live data point of one series of durations, the same object from publication to publication. */
export class DurationPoint implements DataPoint<Histogram>, Delivered<Histogram> {
  readonly attributes: Attributes;
  readonly startTime: HrTime;
  endTime: HrTime;
  value: Histogram;
  pushedValue: Histogram | undefined;
  pushedUntil: HrTime | undefined;
  #counts: DurationCounts;

  constructor({ labels, counts }: DurationSeries<Attributes>, startTime: HrTime) {
    this.attributes = labels;
    this.startTime = startTime;
    this.endTime = startTime;
    this.#counts = counts;
    this.value = histogramOf(counts);
  }

  /** A new value where there is a new count: a push that is under way keeps the one it was given. */
  update(counts: DurationCounts, takenAt: HrTime): void {
    this.endTime = takenAt;
    if (counts === this.#counts) return;
    this.#counts = counts;
    this.value = histogramOf(counts);
  }
}

/** The points of series of durations; those of one that has ended go with it. */
export class DurationPoints {
  readonly #points = new WeakMap<DurationSeries<Attributes>, DurationPoint>();

  metricOf(
    durations: readonly DurationSeries<Attributes>[],
    takenAt: HrTime,
    toHrTime: (epochMs: number) => HrTime,
  ): HistogramMetricData {
    return {
      descriptor: { ...METRIC.connectionDuration, valueType: ValueType.DOUBLE },
      dataPointType: DataPointType.HISTOGRAM,
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPoints: durations.map((series) => {
        let point = this.#points.get(series);
        if (point === undefined) {
          point = new DurationPoint(series, toHrTime(series.startTimeMs));
          this.#points.set(series, point);
        }
        point.update(series.counts, takenAt);
        return point;
      }),
    };
  }
}

function histogramOf({ buckets, count, sumSeconds }: DurationCounts): Histogram {
  return {
    buckets: { boundaries: [...DURATION_LIMITS], counts: [...buckets] },
    count,
    sum: sumSeconds,
  };
}
