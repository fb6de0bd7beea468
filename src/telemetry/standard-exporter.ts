import type { Attributes } from '@opentelemetry/api';
import {
  DataPointType,
  type DataPoint,
  type InstrumentType,
  type MetricData,
  type PushMetricExporter,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { ConnectionPoint, ownAttributes } from './connection-point.ts';
import { standardAttributes, standardMetric, type OtlpNames } from './standard-names.ts';

/** The exporter as it is, or behind standard names. */
export function exporterWithNames(
  exporter: Required<PushMetricExporter>,
  names: OtlpNames,
): Required<PushMetricExporter> {
  return names === 'standard' ? new StandardExporter(exporter) : exporter;
}

/**
 * Tells everything by its standard name. What it is given stays as it is, for the Prometheus page has
 * the same points. Attributes are translated once for each series and not for each push, and kept as
 * long as the series lives; what is made for each point is garbage with its batch.
 */
class StandardExporter implements PushMetricExporter {
  readonly #exporter: Required<PushMetricExporter>;
  readonly #translated = new WeakMap<Attributes, Attributes>();

  constructor(exporter: Required<PushMetricExporter>) {
    this.#exporter = exporter;
  }

  export(
    { resource, scopeMetrics }: ResourceMetrics,
    done: Parameters<PushMetricExporter['export']>[1],
  ): void {
    const scopes = scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map((metric) => this.#standard(metric)),
    }));
    this.#exporter.export({ resource, scopeMetrics: scopes }, done);
  }

  selectAggregation(instrumentType: InstrumentType) {
    return this.#exporter.selectAggregation(instrumentType);
  }

  selectAggregationTemporality(instrumentType: InstrumentType) {
    return this.#exporter.selectAggregationTemporality(instrumentType);
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #standard(metric: MetricData): MetricData {
    const { name } = metric.descriptor;
    const descriptor = { ...metric.descriptor, name: standardMetric(name) };
    // These differ in the type of a value only.
    if (metric.dataPointType === DataPointType.HISTOGRAM) {
      return { ...metric, descriptor, dataPoints: this.#points(metric.dataPoints) };
    }
    if (metric.dataPointType === DataPointType.EXPONENTIAL_HISTOGRAM) {
      return { ...metric, descriptor, dataPoints: this.#points(metric.dataPoints) };
    }
    return { ...metric, descriptor, dataPoints: this.#points(metric.dataPoints) };
  }

  #points<Value>(points: readonly DataPoint<Value>[]): DataPoint<Value>[] {
    return points.map((point) => {
      const { startTime, endTime, value } = point;
      return { attributes: this.#attributesOf(point), startTime, endTime, value };
    });
  }

  #attributesOf(point: DataPoint<unknown>): Attributes {
    if (!(point instanceof ConnectionPoint)) return this.#translate(point.attributes);
    // Its attributes with the one of its own are made anew at each look; these two are not.
    const shared = this.#translate(point.series.attributes);
    const own = this.#translate(ownAttributes(point.measure));
    return Object.keys(own).length === 0 ? shared : { ...shared, ...own };
  }

  #translate(attributes: Attributes): Attributes {
    let translated = this.#translated.get(attributes);
    if (translated === undefined) {
      translated = standardAttributes(attributes);
      this.#translated.set(attributes, translated);
    }
    return translated;
  }
}
