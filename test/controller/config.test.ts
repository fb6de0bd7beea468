import t from 'tap';
import { checkSettings, controllerSettings } from '../../src/controller/config.ts';
import { readSettings, SettingsError } from '../../src/runtime/settings.ts';

function faultsOf(...argv: readonly string[]): readonly string[] {
  try {
    checkSettings(readSettings(controllerSettings, argv, {}));
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
}

const TLS = ['--tls-cert-file', 'a.crt', '--tls-key-file', 'a.key'];

t.test('told nothing, a controller says all that it needs to be safe', async (t) => {
  t.strictSame(faultsOf(), [
    '--tls-cert-file: missing, --tls on needs it',
    '--tls-key-file: missing, --tls on needs it',
    '--service-accounts: missing, --auth token needs it',
  ]);
  t.strictSame(faultsOf(...TLS, '--service-accounts', 'khan/khan-agent'), []);
  t.strictSame(faultsOf('--tls', 'off', '--auth', 'none'), []);
});

t.test('without an API server nobody can review tokens', async (t) => {
  t.strictSame(faultsOf('--source', 'file', '--tls', 'off'), [
    '--inventory-file: missing, --source file needs it',
    '--auth token: needs --source kubernetes, whose API server reviews tokens',
  ]);
  const file = ['--source', 'file', '--inventory-file', 'a.yaml', '--tls', 'off', '--auth', 'none'];
  t.strictSame(faultsOf(...file), []);
  t.strictSame(faultsOf(...file, '--kubeconfig', 'a'), [
    '--kubeconfig: --source file asks no API server',
  ]);
});

t.test('what has no effect is a fault', async (t) => {
  const open = ['--tls', 'off', '--auth', 'none'];
  t.strictSame(faultsOf(...open, '--tls-client-ca-file', 'ca.crt'), [
    '--tls-client-ca-file: --tls off asks for no certificates',
  ]);
  t.strictSame(faultsOf(...open, ...TLS, '--service-accounts', 'khan/khan-agent'), [
    '--tls-cert-file: --tls off shows no certificate',
    '--tls-key-file: --tls off shows no certificate',
    '--service-accounts: --auth none asks nobody who they are',
  ]);
  t.strictSame(faultsOf(...open, '--kube-context', 'prod'), [
    '--kube-context: missing --kubeconfig, which has the contexts',
  ]);
});

t.test('a ServiceAccount is written with its namespace', async (t) => {
  for (const item of ['khan-agent', 'a/b/c', 'A/b', '/b', 'a/']) {
    t.throws(() => readSettings(controllerSettings, ['--service-accounts', item], {}), {
      exitCode: 2,
      message: /is not namespace\/name/,
    });
  }
});
