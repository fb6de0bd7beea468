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
