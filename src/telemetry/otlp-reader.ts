import {
  PeriodicExportingMetricReader,
  type MetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import type { Meter } from '@opentelemetry/api';
import type { ConnectionProducer } from './connection-producer.ts';
import { DeliveryExporter } from './delivery-exporter.ts';
import type { OtelSettings } from './otel-settings.ts';
import { loadOtlpExporter } from './otlp-exporter.ts';
import { PushMetrics } from './push-metrics.ts';
import { PushProducer, type PushProducerOptions } from './push-producer.ts';
import { exporterWithNames } from './standard-exporter.ts';
import type { OtlpNames } from './standard-names.ts';

/** Encoding a point takes 3 to 6 µs: a batch holds the event loop for some 5 ms. */
const BATCH_POINTS_MAX = 1000;

export interface OtlpPush {
  readonly reader: MetricReader;
  readonly isDelta: boolean;
  /** The series that have ended, and wait for a push that tells it. */
  readonly ended: Pick<PushProducer, 'save' | 'restore'>;
  /** The collector has not accepted so many points of a request. */
  rejected(points: number): void;
  /** Makes khan's metrics about the push. */
  observe(meter: Meter): void;
}

export interface OtlpPushOptions extends Omit<PushProducerOptions, 'isRequestUnderWay'> {
  readonly exportIntervalMs: number;
  /** Of one batch. */
  readonly exportTimeoutMs: number;
  readonly batchPointsMax: number;
}

/** The OTLP push as the settings want it. */
export async function createOtlpPush({
  settings: { otlp, exportIntervalMs, exportTimeoutMs },
  producer: connections,
  describeOverflow,
  otlpNames,
}: {
  readonly settings: OtelSettings;
  readonly producer: ConnectionProducer;
  readonly describeOverflow: PushProducerOptions['describeOverflow'];
  readonly otlpNames: OtlpNames;
}): Promise<OtlpPush> {
  return pushThrough(exporterWithNames(await loadOtlpExporter(otlp), otlpNames), {
    connections,
    isDelta: otlp.temporality === 'delta',
    describeOverflow,
    exportIntervalMs,
    exportTimeoutMs,
    batchPointsMax: BATCH_POINTS_MAX,
  });
}

/**
 * From the producer to the exporter that knows the wire:
 *
 *     PushProducer → OtlpReader, in batches → DeliveryExporter → exporter
 *
 * An exporter that changes names or attributes, as StandardExporter does, stands between the last two:
 * the DeliveryExporter knows a series by its point.
 */
export function pushThrough(
  inner: Required<PushMetricExporter>,
  { exportIntervalMs, exportTimeoutMs, batchPointsMax, ...options }: OtlpPushOptions,
): OtlpPush {
  const observer = new PushMetrics();
  const exporter = new DeliveryExporter({ exporter: inner, isDelta: options.isDelta, observer });
  const producer = new PushProducer({
    ...options,
    isRequestUnderWay: () => exporter.isUnderWay,
  });
  const reader = new OtlpReader(exporter, {
    metricProducers: [producer],
    exportIntervalMillis: exportIntervalMs,
    exportTimeoutMillis: exportTimeoutMs,
    maxExportBatchSize: batchPointsMax,
  });
  return {
    reader,
    isDelta: options.isDelta,
    ended: producer,
    rejected: (points) => observer.rejected(points),
    observe: (meter) => observer.observe(meter, producer),
  };
}

type ReaderOptions = ConstructorParameters<typeof PeriodicExportingMetricReader>[0];

/** Tells its exporter where a collection begins: all its batches are one push. */
class OtlpReader extends PeriodicExportingMetricReader {
  readonly #exporter: DeliveryExporter;

  constructor(exporter: DeliveryExporter, options: Omit<ReaderOptions, 'exporter'>) {
    super({ ...options, exporter });
    this.#exporter = exporter;
  }

  override async collect(...options: Parameters<PeriodicExportingMetricReader['collect']>) {
    this.#exporter.beginPush();
    return super.collect(...options);
  }
}
