/** A leak, from an agent's log event through a real Collector. */
import t from 'tap';
import { LeakReport } from '../../src/telemetry/leak-report.ts';
import { leakEvent } from '../builders/leak-event.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { until } from '../demo/until.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { otlpReceiver, plain } from '../fakes/otlp-receiver.ts';
import { startCollector } from './collector.ts';
import { requireCollector } from './require-servers.ts';

await requireCollector(t, async (program) => {
  for (const protocol of ['http/json', 'http/protobuf']) {
    t.test(`${protocol}: a Collector passes a leak on as it was told`, async (t) => {
      const receiver = await otlpReceiver(t);
      const { endpoint } = await startCollector(t, program, {
        files: ['gateway.yaml', 'to-otlp.yaml', 'events-to-otlp.yaml'],
        env: { OTLP_ENDPOINT: receiver.endpoint, EVENTS_ENDPOINT: receiver.endpoint },
      });
      const { telemetry, lines } = await startedTelemetry(t, {
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      });
      const { log } = capturedLog();
      const { logger } = telemetry;
      new LeakReport({ logger, otlpNames: 'khan', log }).tell([leakEvent()]);
      await telemetry.shutdown({ timeoutMs: 5000 });
      t.strictSame(lines, []);
      t.ok(await until(() => receiver.logs.length > 0));
      const [push] = receiver.logs;
      t.match(push?.resource, { 'service.name': 'khan-agent', 'k8s.cluster.name': 'blue' });
      const [record] = push?.records ?? [];
      t.match(record, {
        eventName: 'khan.connection.leak',
        severityText: 'WARN',
        body: { stringValue: /^shop\/cart leaks 3\.1 connections a minute/ },
      });
      const { labels } = leakEvent();
      t.match(plain(record?.attributes ?? []), { ...labels, leak_rate: 3.123, leak_open: 412 });
    });
  }
});
