import { registerHooks } from 'node:module';
import t from 'tap';

const SOURCE = '../../src/telemetry';

/** URLs of modules that were asked for. */
const loaded = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    loaded.add(resolved.url);
    return resolved;
  },
});
const isLoaded = (name: string) => [...loaded].some((url) => url.includes(`/${name}/`));

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
