import { registerHooks } from 'node:module';
import { join } from 'node:path';
import t from 'tap';
import { capturedLog } from '../fakes/captured-log.ts';

const SOURCE = '../../src';

/** URLs of modules that were asked for. */
const loaded = new Set<string>();
registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context);
    loaded.add(resolved.url);
    return resolved;
  },
});
const isLoaded = (part: string) => [...loaded].some((url) => url.includes(part));

t.test('a controller of files does not load what talks to Kubernetes', async (t) => {
  const { controllerSettings } = await import(`${SOURCE}/controller/config.ts`);
  const { startController } = await import(`${SOURCE}/controller/controller.ts`);
  const { readSettings } = await import(`${SOURCE}/runtime/settings.ts`);
  const inventory = join(t.testdir({ 'i.yaml': '' }), 'i.yaml');
  const argv = [
    '--source',
    'file',
    '--inventory-file',
    inventory,
    '--auth',
    'none',
    '--tls',
    'off',
  ];
  argv.push('--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0');
  const settings = readSettings(controllerSettings, argv, {});
  await using _ = await startController({ settings, version: '0', log: capturedLog().log });
  t.ok(isLoaded('/src/controller/server.ts'));
  t.notOk(isLoaded('/src/cluster/'));
  t.notOk(isLoaded('/@kubernetes/client-node/'));
  await import(`${SOURCE}/cluster/cluster-client.ts`);
  t.ok(isLoaded('/@kubernetes/client-node/'), 'it would be seen');
});
