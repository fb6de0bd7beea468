import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { LogRecordExporter } from '@opentelemetry/sdk-logs';
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { OtlpSettings } from './otlp-variables.ts';

/**
 * The SDK's exporter for the protocol, loaded only when it is used: an import costs memory on every
 * node. It reads its own OTEL_EXPORTER_OTLP_* variables; the certificates are khan's business,
 * because it would read them once and for all.
 */
export async function loadOtlpExporter({
  protocol,
  certificates,
}: OtlpSettings): Promise<Required<PushMetricExporter>> {
  const { OTLPMetricExporter } =
    protocol === 'http/protobuf'
      ? await import('@opentelemetry/exporter-metrics-otlp-proto')
      : await import('@opentelemetry/exporter-metrics-otlp-http');
  return new OTLPMetricExporter({ httpAgentOptions: agentsWith(certificates) });
}

/** The same for log records. */
export async function loadOtlpLogExporter({
  protocol,
  certificates,
}: OtlpSettings): Promise<LogRecordExporter> {
  const { OTLPLogExporter } =
    protocol === 'http/protobuf'
      ? await import('@opentelemetry/exporter-logs-otlp-proto')
      : await import('@opentelemetry/exporter-logs-otlp-http');
  return new OTLPLogExporter({ httpAgentOptions: agentsWith(certificates) });
}

function agentsWith(certificates: OtlpSettings['certificates']): (scheme: string) => HttpAgent {
  return (scheme) =>
    scheme === 'https:' ? new CertificateAgent(certificates) : new HttpAgent({ keepAlive: true });
}

/**
 * Reads the certificates anew for each connection, so that they may rotate while the agent runs; a
 * connection that is kept alive keeps those it began with. A file that cannot be read fails the push.
 */
class CertificateAgent extends HttpsAgent {
  readonly #paths: OtlpSettings['certificates'];

  constructor(paths: OtlpSettings['certificates']) {
    // A resumed session would not look at the certificates again.
    super({ keepAlive: true, maxCachedSessions: 0 });
    this.#paths = paths;
  }

  override createConnection(...[options, callback]: Parameters<HttpsAgent['createConnection']>) {
    const files: Record<string, Buffer> = {};
    for (const [option, path] of Object.entries(this.#paths)) {
      if (path !== undefined) files[option] = readFileSync(path);
    }
    return super.createConnection({ ...options, ...files }, callback);
  }
}
