import { hostname } from 'node:os';
import t from 'tap';
import { agentSettings, checkSettings } from '../../src/agent/config.ts';
import { DEFAULT_EXCLUDE, parseExclude } from '../../src/connections/exclude.ts';
import { readSettings } from '../../src/runtime/settings.ts';

t.test('an agent that is told nothing polls its own namespace every 30 s', async (t) => {
  t.strictSame(readSettings(agentSettings, [], {}), {
    'node-name': hostname(),
    'attribute-groups': [],
    'drop-attributes': [],
    'created-timestamps': false,
    'external-prefix': { ipv4: 32, ipv6: 128 },
    'poll-interval': 30_000,
    'cpu-share-max': 2,
    listen: { host: '0.0.0.0', port: 9464 },
    netns: undefined,
    events: 'none',
    'inventory-file': undefined,
    'controller-url': undefined,
    'controller-token-file': undefined,
    'controller-ca-file': undefined,
    'controller-cert-file': undefined,
    'controller-key-file': undefined,
    'series-ttl': 600_000,
    'series-max': 20_000,
    'otlp-names': 'khan',
    signals: ['idle', 'half_closed', 'unanswered', 'orphaned', 'oldest', 'leak_score', 'traffic'],
    'state-dir': undefined,
    'leak-window': 1_800_000,
    exclude: DEFAULT_EXCLUDE.map(parseExclude),
    once: false,
    'log-level': 'info',
  });
});

const excluded = (text: string) => readSettings(agentSettings, ['--exclude', text], {}).exclude;

t.test('what is given to exclude replaces the default, and none excludes nothing', async (t) => {
  t.strictSame(excluded('10.0.0.0/8,10250'), [parseExclude('10.0.0.0/8'), parseExclude('10250')]);
  t.strictSame(excluded('none'), []);
});

t.test('every setting has its variable, as in a DaemonSet', async (t) => {
  const env = {
    KHAN_NODE_NAME: 'node-a',
    KHAN_POLL_INTERVAL: '10s',
    KHAN_CONTROLLER_URL: 'http://khan-controller:8080',
    KHAN_ONCE: 'true',
    KHAN_EXCLUDE: 'none',
  };
  t.match(readSettings(agentSettings, [], env), {
    'node-name': 'node-a',
    'poll-interval': 10_000,
    'controller-url': 'http://khan-controller:8080',
    once: true,
    exclude: [],
  });
});

t.test('what would never work is refused with the limits it has', async (t) => {
  const argv = ['--poll-interval', '100ms', '--series-ttl', '25h', '--exclude', '10.0.0.0/33'];
  const error = t.throws(() => readSettings(agentSettings, argv, {}));
  t.match(error, {
    exitCode: 2,
    faults: [
      '--poll-interval 100ms: outside of 200ms to 1h',
      '--series-ttl 25h: outside of 1s to 24h',
      /^--exclude 10\.0\.0\.0\/33: .*33/,
    ],
  });
});

function faultsOf(...argv: string[]): unknown {
  try {
    checkSettings(readSettings(agentSettings, argv, {}));
    return [];
  } catch (error) {
    return error instanceof Error && 'faults' in error ? error.faults : error;
  }
}

t.test('what goes together with a controller is accepted', async (t) => {
  const files = ['token', 'ca', 'cert', 'key'].map((name) => `--controller-${name}-file=${name}`);
  t.strictSame(faultsOf('--controller-url', 'https://khan-controller:8443', ...files), []);
  const clear = ['--controller-url', 'http://127.0.0.1:8080', '--controller-token-file', 'token'];
  t.strictSame(faultsOf(...clear), []);
  t.strictSame(faultsOf(), []);
});

t.test('all that does not go together is said at once', async (t) => {
  const argv = ['--inventory-file', 'a', '--controller-url', 'http://b', '--controller-key-file=c'];
  t.strictSame(faultsOf(...argv), [
    '--inventory-file and --controller-url: only one of them',
    '--controller-key-file: --controller-url is not an https URL',
    '--controller-cert-file and --controller-key-file: only together',
  ]);
  t.strictSame(faultsOf('--controller-token-file=a', '--controller-ca-file=b'), [
    '--controller-token-file: missing --controller-url, whom it is for',
    '--controller-ca-file: missing --controller-url, whom it is for',
  ]);
});
