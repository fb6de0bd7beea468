import { emptyResource } from '@opentelemetry/resources';
import t from 'tap';
import { watchImports } from '../fakes/loaded-modules.ts';

const SOURCE = '../../src/telemetry';

const isImported = watchImports();
const isLoaded = (name: string) => isImported(`/${name}/`);

t.test('of the OTLP exporters only the one that pushes is loaded', async (t) => {
  await import(`${SOURCE}/meter-provider.ts`);
  t.ok(isLoaded('sdk-metrics'));
  t.notOk(isLoaded('otlp-exporter-base'));
  const { loadOtlpExporter } = await import(`${SOURCE}/otlp-exporter.ts`);
  await loadOtlpExporter({ protocol: 'http/json', certificates: {} });
  t.ok(isLoaded('exporter-metrics-otlp-http'));
  t.notOk(isLoaded('exporter-metrics-otlp-proto'));
  await loadOtlpExporter({ protocol: 'http/protobuf', certificates: {} });
  t.ok(isLoaded('exporter-metrics-otlp-proto'));
});

t.test('what pushes log events is not loaded before they are', async (t) => {
  await import(`${SOURCE}/leak-report.ts`);
  t.notOk(isLoaded('sdk-logs'));
  const { createLogPush } = await import(`${SOURCE}/log-push.ts`);
  const settings = { protocol: 'http/json', certificates: {} } as const;
  await createLogPush({ settings, resource: emptyResource(), version: '0' });
  t.ok(isLoaded('sdk-logs'));
  t.ok(isLoaded('exporter-logs-otlp-http'));
  t.notOk(isLoaded('exporter-logs-otlp-proto'));
});
