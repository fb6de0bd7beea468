import { join } from 'node:path';
import t from 'tap';
import { controllerArgv } from '../builders/controller-argv.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { watchImports } from '../fakes/loaded-modules.ts';

const SOURCE = '../../src';

const isLoaded = watchImports();

t.test('a controller of files does not load what talks to Kubernetes', async (t) => {
  const { controllerSettings } = await import(`${SOURCE}/controller/config.ts`);
  const { startController } = await import(`${SOURCE}/controller/controller.ts`);
  const { readSettings } = await import(`${SOURCE}/runtime/settings.ts`);
  const inventory = join(t.testdir({ 'i.yaml': '' }), 'i.yaml');
  const settings = readSettings(controllerSettings, controllerArgv(inventory), {});
  await using _ = await startController({ settings, version: '0', log: capturedLog().log });
  t.ok(isLoaded('/src/controller/server.ts'));
  t.notOk(isLoaded('/src/cluster/'));
  t.notOk(isLoaded('/@kubernetes/client-node/'));
  await import(`${SOURCE}/cluster/cluster-client.ts`);
  t.ok(isLoaded('/@kubernetes/client-node/'), 'it would be seen');
});
