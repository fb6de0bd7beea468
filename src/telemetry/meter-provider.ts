import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createNoopLogger, diag, DiagLogLevel, type Logger, type Meter } from '@opentelemetry/api';
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
import type { LogPush } from './log-push.ts';
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
  /** Whether there are log events to push, where `settings` ask for it. */
  readonly events: boolean;
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
  /** For log events; what it is told goes nowhere where none are pushed. */
  readonly logger: Logger;
  /**
   * Pushes what there is for the last time and ends all readers. A collector that does not answer
   * within the timeout is logged; an SDK retry may then still hold the event loop open for seconds.
   */
  shutdown(options: { readonly timeoutMs: number }): Promise<void>;
}

/**
 * One MeterProvider with the readers that the settings ask for, and log events beside it. The OTLP exporters and the resource
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
  const resource = describeResource(options);
  const logs = await logPush(options, resource);
  const provider = new MeterProvider({ resource, readers });
  const meter = provider.getMeter(SCOPE_NAME, serviceVersion);
  push?.observe(meter);
  return {
    meter,
    push,
    logger: logs?.logger ?? createNoopLogger(),
    async shutdown({ timeoutMs }) {
      const tried = async (what: string, ended: Promise<void>) => {
        try {
          await ended;
        } catch (error) {
          log.warn({ err: error }, `Cannot push the last ${what} within ${timeoutMs} ms`);
        }
      };
      await Promise.all([
        tried('metrics', provider.shutdown({ timeoutMillis: timeoutMs })),
        ...(logs === undefined ? [] : [tried('log events', logs.shutdown({ timeoutMs }))]),
      ]);
      diag.disable();
    },
  };
}

/** Loaded only when it is used: an import costs memory on every node. */
async function logPush(
  { settings: { logs }, events, serviceVersion }: Options,
  resource: Resource,
): Promise<LogPush | undefined> {
  if (logs === undefined || !events) return undefined;
  const { createLogPush } = await import('./log-push.ts');
  return createLogPush({ settings: logs, resource, version: serviceVersion });
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
