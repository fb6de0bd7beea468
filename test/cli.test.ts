import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { listenOnLoopback } from './fakes/loopback.ts';
import { khan } from './fakes/khan-process.ts';

t.setTimeout(120_000);

const COMMANDS = ['agent', 'controller', 'top', 'demo'];

/** For root: khan without the two capabilities that it needs; others do not have them. */
const WITHOUT_CAPABILITIES =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-net_admin,-sys_admin'] : [];

t.test('khan --version prints the version and nothing else', async (t) => {
  const manifest = await readFile(join(import.meta.dirname, '../package.json'), 'utf8');
  const { version } = JSON.parse(manifest);
  t.match(await khan(t, ['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

t.test('khan --help lists the commands', async (t) => {
  const [long, short] = await Promise.all([khan(t, ['--help']), khan(t, ['-h'])]);
  t.strictSame(long, short);
  t.match(long, { code: 0, stdout: /^Usage: khan <command> \[options\]\n/, stderr: '' });
  for (const command of COMMANDS) t.match(long.stdout, new RegExp(`^  ${command} +\\w`, 'm'));
});

t.test('khan <command> --help lists its options, whatever else is given', async (t) => {
  const helps = COMMANDS.map((command) => khan(t, [command, '--bogus', '--help']));
  for (const [at, help] of (await Promise.all(helps)).entries()) {
    t.match(help, { code: 0, stderr: '' });
    t.match(help.stdout, new RegExp(`^Usage: khan ${COMMANDS[at]} \\[options\\]: \\w`));
    t.match(help.stdout, /^ {2}--(?:poll-)?interval <duration> +\w/m);
    t.match(help.stdout, /default (?:info|error|fatal)\)\n$/);
  }
});

t.test('without a command that exists khan says which ones do', async (t) => {
  const [none, unknown, inherited] = await Promise.all([
    khan(t, []),
    khan(t, ['agnet', '--once']),
    khan(t, ['toString']),
  ]);
  t.match(none, { code: 2, stdout: '', stderr: /^Cannot run khan: no command\n\nUsage: khan / });
  t.match(unknown, { code: 2, stdout: '', stderr: /^Cannot run khan: agnet: no such command\n/ });
  t.match(inherited, { code: 2, stdout: '', stderr: /^Cannot run khan: toString: no such/ });
  t.match(unknown.stderr, /^ {2}controller +\w/m);
});

t.test('all wrong settings are said at once, those of the environment too', async (t) => {
  const argv = ['agent', '--poll-interval', '7', '--series-max', '0', '--bogus', 'extra'];
  const ending = await khan(t, argv, { env: { KHAN_LISTEN: 'nowhere' } });
  t.strictSame(ending, {
    code: 2,
    signal: null,
    stdout: '',
    stderr: [
      'Cannot use these settings:',
      '  --bogus: unknown option',
      '  extra: unexpected argument',
      '  --poll-interval 7: not a duration such as 500ms, 30s, 10m or 1h',
      '  KHAN_LISTEN=nowhere: not host:port, [address]:port or :port',
      '  --series-max 0: outside of 1 to 1000000 series',
      '',
    ].join('\n'),
  });
});

t.test('names come from a file or from a controller, not from both', async (t) => {
  const argv = ['agent', '--inventory-file', 'a.yaml', '--controller-url', 'http://127.0.0.1:1'];
  t.match(await khan(t, argv), {
    code: 2,
    stdout: '',
    stderr:
      'Cannot use these settings:\n  --inventory-file and --controller-url: only one of them\n',
  });
});

t.test('a controller needs to be told where it is, and that is a URL', async (t) => {
  t.match(await khan(t, ['agent', '--controller-url', 'khan:8080']), {
    code: 2,
    stdout: '',
    stderr: 'Cannot ask the controller at khan:8080: not an http or https URL\n',
  });
});

t.test('what OpenTelemetry variables ask for and khan cannot do is refused', async (t) => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'upside',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  };
  const typo = { OTEL_METRICS_EXPORTER: 'prometeus' };
  const [otlp, exporter] = await Promise.all([
    khan(t, ['agent'], { env }),
    khan(t, ['agent'], { env: typo }),
  ]);
  t.match(otlp, {
    code: 2,
    stdout: '',
    stderr: [
      'Cannot use these settings:',
      '  OTEL_EXPORTER_OTLP_PROTOCOL=grpc: not supported, khan knows http/json, http/protobuf',
      '  OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=upside: not supported, khan knows cumulative, delta, lowmemory',
      '',
    ].join('\n'),
  });
  t.match(exporter, {
    code: 2,
    stdout: '',
    stderr: /^ {2}OTEL_METRICS_EXPORTER=prometeus: not a list of prometheus, otlp, none\n$/m,
  });
});

t.test('who may not read the table is told which capability is missing', async (t) => {
  const ending = await khan(t, ['agent', '--once'], { through: WITHOUT_CAPABILITIES });
  t.match(ending, { code: 77, stdout: '' });
  t.match(ending.stderr, /^Cannot read the connection tracking table: EPERM\. [^\n]*\n$/);
  t.match(ending.stderr, 'lacks CAP_NET_ADMIN.');
  t.match(ending.stderr, 'securityContext.capabilities.add: [NET_ADMIN]');
  t.match(ending.stderr, 'AmbientCapabilities=CAP_NET_ADMIN');
});

t.test('who may not enter a namespace is told which capability is missing', async (t) => {
  const argv = ['agent', '--once', '--netns', '/proc/self/ns/net'];
  const ending = await khan(t, argv, { through: WITHOUT_CAPABILITIES });
  t.match(ending, { code: 77, stdout: '' });
  t.match(ending.stderr, /^Cannot enter the network namespace \/proc\/self\/ns\/net: EPERM\. /);
  t.match(ending.stderr, 'lacks CAP_SYS_ADMIN.');
  t.match(ending.stderr, 'securityContext.capabilities.add: [SYS_ADMIN]');
  t.match(ending.stderr, 'AmbientCapabilities=CAP_SYS_ADMIN');
});

t.test('a network namespace that is not there is one clear error', async (t) => {
  t.match(await khan(t, ['agent', '--once', '--netns', '/run/netns/not-there']), {
    code: 1,
    stdout: '',
    stderr: 'Cannot open the network namespace /run/netns/not-there: ENOENT. Is --netns right?\n',
  });
});

t.test('a taken port is one clear error', async (t) => {
  const port = await listenOnLoopback(t, createServer());
  t.match(await khan(t, ['agent', '--listen', `127.0.0.1:${port}`]), {
    code: 1,
    stdout: '',
    stderr:
      `Cannot listen on 127.0.0.1:${port}: the port is already in use ` +
      '(is another agent running on this node?)\n',
  });
});

t.test('a controller lists what is wrong with its inventory file', async (t) => {
  const text = 'addresses: { 10.1.0.1: { type: pot }, nowhere: { type: pod, nmae: web } }\n';
  const path = join(t.testdir({ 'inventory.yaml': text }), 'inventory.yaml');
  const open = ['--tls', 'off', '--auth', 'none', '--listen', '127.0.0.1:0'];
  const source = ['--source', 'file', '--inventory-file', path];
  const ending = await khan(t, ['controller', ...source, ...open]);
  t.match(ending, { code: 2, stdout: '' });
  t.match(ending.stderr, `Cannot use inventory file ${path}:\n`);
  t.match(ending.stderr, /^ {2}addresses\.nowhere: not an address$/m);
  t.match(ending.stderr, /^ {2}addresses\S*10\.1\.0\.1\S*\.type: .*pot/m);
  t.match(ending.stderr, /^ {2}addresses\.nowhere\.nmae: /m);
});
