import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { SCOPE_NAME } from './names.ts';
import { loadOtlpLogExporter } from './otlp-exporter.ts';
import type { OtlpSettings } from './otlp-variables.ts';

/** Events while a collector is away; there are some twenty a snapshot at most, and rarely any. */
const QUEUE_MAX = 256;
const BATCH_MAX = 64;
/** OpenTelemetry specification, "Batching processor": the default. */
const DELAY_MS = 1000;
const EXPORT_TIMEOUT_MS = 30_000;

export interface LogPush {
  readonly logger: Logger;
  /** Pushes what there is for the last time; rejects when that takes longer than the timeout. */
  shutdown(options: { readonly timeoutMs: number }): Promise<void>;
}

/** Log events over OTLP, in batches. */
export async function createLogPush({
  settings,
  resource,
  version,
}: {
  readonly settings: OtlpSettings;
  readonly resource: Resource;
  readonly version: string;
}): Promise<LogPush> {
  const processor = new BatchLogRecordProcessor({
    exporter: await loadOtlpLogExporter(settings),
    maxQueueSize: QUEUE_MAX,
    maxExportBatchSize: BATCH_MAX,
    scheduledDelayMillis: DELAY_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new LoggerProvider({ resource, processors: [processor] });
  return {
    logger: provider.getLogger(SCOPE_NAME, version),
    async shutdown({ timeoutMs }) {
      const ended = new AbortController();
      const timeout = delay(timeoutMs, undefined, { signal: ended.signal }).then(
        () => Promise.reject(new Error('The collector has not answered')),
        () => {}, // it ended before
      );
      try {
        await Promise.race([provider.shutdown(), timeout]);
      } finally {
        ended.abort();
      }
    },
  };
}
