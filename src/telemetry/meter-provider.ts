import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { diag, DiagLogLevel, type Meter } from '@opentelemetry/api';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
  type Resource,
} from '@opentelemetry/resources';
import { MeterProvider, type MetricReader } from '@opentelemetry/sdk-metrics';
import {
  ATTR_K8S_NODE_NAME,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
} from '@opentelemetry/semantic-conventions';
import type { Log } from '../runtime/log.ts';
import type { ConnectionProducer } from './connection-producer.ts';
import { diagLogger } from './diag-log.ts';
import { ATTRIBUTE, SCOPE_NAME } from './names.ts';
import type { OtelSettings } from './otel-settings.ts';
import { createOtlpPush, type OtlpPush } from './otlp-reader.ts';
import type { PushProducerOptions } from './push-producer.ts';
import type { OtlpNames } from './standard-names.ts';

interface Options {
  readonly settings: OtelSettings;
  readonly otlpNames: OtlpNames;
  readonly nodeName: string;
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly producer: ConnectionProducer;
  /** The attributes of the overflow series, as the ledger has them. */
  readonly describeOverflow: PushProducerOptions['describeOverflow'];
  /** The Prometheus page's reader is used where `settings` ask for it. */
  readonly page: { readonly reader: MetricReader };
  /** Of this agent over its restarts; another one each time where left out. */
  readonly instanceId?: string | undefined;
  readonly log: Log;
}

export interface Telemetry {
  /** For khan's own metrics. */
  readonly meter: Meter;
  /** Undefined where nothing is pushed. */
  readonly push: Pick<OtlpPush, 'ended' | 'isDelta'> | undefined;
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
export async function startTelemetry(options: Options): Promise<Telemetry> {
  const { settings, serviceVersion, page, log } = options;
  if (settings.isDisabled) log.warn('OTEL_SDK_DISABLED is true: nothing is exported');
  let push: OtlpPush | undefined;
  diag.setLogger(diagLogger({ log, onRejected: (points) => push?.rejected(points) }), {
    logLevel: DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  if (settings.exporters.has('otlp')) push = await createOtlpPush(options);
  const readers: MetricReader[] = settings.exporters.has('prometheus') ? [page.reader] : [];
  if (push !== undefined) readers.push(push.reader);
  const provider = new MeterProvider({ resource: describeResource(options), readers });
  const meter = provider.getMeter(SCOPE_NAME, serviceVersion);
  push?.observe(meter);
  return {
    meter,
    push,
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

/** What the user says about the resource wins over what khan knows. */
function describeResource({
  nodeName,
  serviceName,
  serviceVersion,
  instanceId = randomUUID(),
  log,
}: Options): Resource {
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
        [ATTR_SERVICE_INSTANCE_ID]: instanceId,
        [ATTR_K8S_NODE_NAME]: nodeName,
        [ATTRIBUTE.hostName]: hostname(),
      }),
    )
    .merge(detectResources({ detectors }));
}
