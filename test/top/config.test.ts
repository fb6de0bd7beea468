import t from 'tap';
import { readSettings, SettingsError } from '../../src/runtime/settings.ts';
import { checkSettings, topSettings } from '../../src/top/config.ts';

function agentsOf(...argv: readonly string[]): readonly string[] {
  return readSettings(topSettings, argv, {}).agent.map(({ href }) => href);
}

function faultsOf(...argv: readonly string[]): unknown {
  try {
    checkSettings(readSettings(topSettings, argv, {}));
    return [];
  } catch (error) {
    return error instanceof SettingsError ? error.faults : error;
  }
}

t.test('an agent is a URL, with or without a path', async (t) => {
  t.strictSame(agentsOf(), ['http://127.0.0.1:9464/metrics']);
  t.strictSame(agentsOf('--agent', 'http://a:9464,https://b/proxy/metrics?x=1'), [
    'http://a:9464/metrics',
    'https://b/proxy/metrics?x=1',
  ]);
  t.throws(() => agentsOf('--agent', 'node-a:9464'), { message: /node-a:9464 is not a URL/ });
  t.throws(() => agentsOf('--agent', 'http://me:secret@a'), { message: /password/ });
});

t.test('what does not go together is said at once', async (t) => {
  t.strictSame(faultsOf('--once', '--json'), []);
  t.strictSame(faultsOf('--json', '--agent', 'http://a,http://a/metrics'), [
    '--json: only with --once',
    '--agent: http://a/metrics is given more than once',
  ]);
  t.strictSame(faultsOf('--agent', 'none'), ['--agent: none given, and no --kernel']);
  t.strictSame(faultsOf('--agent', 'none', '--kernel'), []);
});
