import type { Test } from 'tap';
import { overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { startTelemetry } from '../../src/telemetry/meter-provider.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import type { OtlpNames } from '../../src/telemetry/standard-names.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import { capturedLog } from '../fakes/captured-log.ts';

/** Telemetry as an agent has it, with these variables in the environment. */
export async function startedTelemetry(
  t: Test,
  variables: Readonly<Record<string, string>>,
  { otlpNames = 'khan' }: { readonly otlpNames?: OtlpNames } = {},
) {
  for (const [name, value] of Object.entries(variables)) {
    process.env[name] = value;
    t.teardown(() => delete process.env[name]);
  }
  const { log, lines } = capturedLog();
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0.1.0' });
  const page = new PrometheusPage({ producer, pollIntervalMs: () => 30_000, log });
  const telemetry = await startTelemetry({
    settings: readOtelSettings(process.env),
    otlpNames,
    nodeName: 'node-a',
    serviceName: 'khan-agent',
    serviceVersion: '0.1.0',
    producer,
    describeOverflow: (primary) => overflowAttributes('node-a', primary),
    events: true,
    page,
    log,
  });
  return { telemetry, producer, page, lines };
}
