import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { diag, DiagLogLevel, type Meter } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
  type Resource,
} from '@opentelemetry/resources';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type MetricProducer,
  type MetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  ATTR_K8S_NODE_NAME,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions';
import type { Log } from '../runtime/log.ts';
import { diagLogger } from './diag-log.ts';
import { ATTRIBUTE, SCOPE_NAME } from './names.ts';
import type { OtelSettings } from './otel-settings.ts';

/** Encoding a point as JSON takes about 5.5 µs: a batch holds the event loop for 11 ms. */
const BATCH_POINTS_MAX = 2000;

interface Options {
  readonly settings: OtelSettings;
  readonly nodeName: string;
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly producer: MetricProducer;
  /** The Prometheus page's reader is used where `settings` ask for it. */
  readonly page: { readonly reader: MetricReader };
  readonly log: Log;
}

export interface Telemetry {
  /** For khan's own metrics. */
  readonly meter: Meter;
  /**
   * Pushes what there is for the last time and ends all readers. A collector that does not answer
   * within the timeout is logged; an SDK retry may then still hold the event loop open for seconds.
   */
  shutdown(options: { readonly timeoutMs: number }): Promise<void>;
}

/**
 * One MeterProvider with the readers that the settings ask for. The OTLP exporter and the resource
 * detectors read their own OTEL_* variables, from process.env and nowhere else.
 */
export function startTelemetry(options: Options): Telemetry {
  const { settings, serviceVersion, log } = options;
  diag.setLogger(diagLogger({ log }), {
    logLevel: DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  if (settings.isDisabled) log.warn('OTEL_SDK_DISABLED is true: nothing is exported');
  const readers = createReaders(options);
  const provider = new MeterProvider({ resource: describeResource(options), readers });
  return {
    meter: provider.getMeter(SCOPE_NAME, serviceVersion),
    async shutdown({ timeoutMs }) {
      try {
        await provider.shutdown({ timeoutMillis: timeoutMs });
      } catch (error) {
        log.warn({ err: error }, `Cannot push the last metrics within ${timeoutMs} ms`);
      } finally {
        diag.disable();
      }
    },
  };
}

function createReaders({ settings, producer, page }: Options): MetricReader[] {
  const { exporters, exportIntervalMs, exportTimeoutMs } = settings;
  const readers: MetricReader[] = [];
  if (exporters.has('prometheus')) readers.push(page.reader);
  if (exporters.has('otlp')) {
    readers.push(
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter(),
        metricProducers: [producer],
        exportIntervalMillis: exportIntervalMs,
        exportTimeoutMillis: exportTimeoutMs,
        maxExportBatchSize: BATCH_POINTS_MAX,
      }),
    );
  }
  return readers;
}

/** What the user says about the resource wins over what khan knows. */
function describeResource({ nodeName, serviceName, serviceVersion, log }: Options): Resource {
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  const { attributes = {} } = resourceAttributesEnvDetector.detect();
  if (process.env['OTEL_RESOURCE_ATTRIBUTES'] && Object.keys(attributes).length === 0) {
    log.warn('Cannot use OTEL_RESOURCE_ATTRIBUTES, all of it is left out: not key=value,key=value');
  }
  return defaultResource()
    .merge(
      resourceFromAttributes({
        [ATTR_SERVICE_NAME]: serviceName,
        [ATTR_SERVICE_VERSION]: serviceVersion,
        [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
        [ATTR_K8S_NODE_NAME]: nodeName,
        [ATTRIBUTE.hostName]: hostname(),
      }),
    )
    .merge(detectResources({ detectors }));
}
