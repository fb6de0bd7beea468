import * as fc from 'fast-check';
import { format } from 'prettier';
import t from 'tap';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  readSettings,
  SettingsError,
  settingsHelp,
  settingsMarkdown,
  text,
} from '../../src/runtime/settings.ts';

const table = {
  'node-name': text({ default: 'node-a', description: 'Name of this node' }),
  'state-dir': text({ description: 'Where to keep state' }),
  'poll-interval': duration({
    default: '30s',
    minMs: 200,
    maxMs: 3_600_000,
    description: 'Time between two snapshots',
  }),
  'series-max': integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'series',
    description: 'Series that are kept apart; the connections of all others go to overflow series',
  }),
  exclude: list({
    type: 'list of number',
    parse: (item) => {
      if (!/^\d+$/.test(item)) throw new Error(`${item} is not a number`);
      return Number(item);
    },
    default: '1,2',
    description: 'What to leave out',
  }),
  format: choice({ choices: ['json', 'text'], default: 'text', description: 'How to print' }),
  once: flag({ description: 'Print once and exit' }),
} as const;

const defaults = {
  'node-name': 'node-a',
  'state-dir': undefined,
  'poll-interval': 30_000,
  'series-max': 20_000,
  exclude: [1, 2],
  format: 'text',
  once: false,
};

function read(argv: readonly string[], env: Record<string, string> = {}) {
  return readSettings(table, argv, env);
}

function faultsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  try {
    read(argv, env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

t.test('readSettings() without any input gives the defaults', async (t) => {
  t.strictSame(read([]), defaults);
});

t.test('readSettings() takes a value after a space or an equals sign', async (t) => {
  t.equal(read(['--poll-interval', '5s'])['poll-interval'], 5000);
  t.equal(read(['--poll-interval=5s'])['poll-interval'], 5000);
});

t.test('readSettings() takes KHAN_POLL_INTERVAL for --poll-interval', async (t) => {
  t.equal(read([], { KHAN_POLL_INTERVAL: '5s' })['poll-interval'], 5000);
});

t.test('readSettings() prefers the command line to the environment', async (t) => {
  const env = { KHAN_POLL_INTERVAL: '5s' };
  t.equal(read(['--poll-interval', '7s'], env)['poll-interval'], 7000);
});

t.test('readSettings() takes an empty variable as unset', async (t) => {
  t.strictSame(read([], { KHAN_POLL_INTERVAL: '', KHAN_ONCE: '' }), defaults);
});

t.test('readSettings() ignores KHAN_* variables that it does not know', async (t) => {
  t.strictSame(read([], { KHAN_CONTROLLER_SERVICE_HOST: '10.96.0.1' }), defaults);
});

t.test('readSettings() lists all faults of both sources at once', async (t) => {
  const argv = [
    '--poll-interval',
    'soon',
    '--colour',
    '--format=xml',
    'extra',
    '-v',
    '--series-max',
  ];
  const env = { KHAN_ONCE: 'maybe', KHAN_EXCLUDE: '1,x' };
  t.strictSame(faultsOf(argv, env), [
    '--colour: unknown option',
    'extra: unexpected argument',
    '-v: unknown option',
    '--series-max: needs a value',
    '--poll-interval soon: not a duration such as 500ms, 30s, 10m or 1h',
    'KHAN_EXCLUDE=1,x: x is not a number',
    '--format xml: xml is not one of json, text',
    'KHAN_ONCE=maybe: neither true, false, 1 nor 0',
  ]);
});

t.test('readSettings() throws a Failure with exit code 2 that says every fault', async (t) => {
  t.throws(() => read(['--colour', '--flavour']), {
    exitCode: 2,
    message: 'Cannot use these settings:\n  --colour: unknown option\n  --flavour: unknown option',
  });
});

t.test('readSettings() refuses an option that is given twice', async (t) => {
  const argv = ['--poll-interval', '5s', '--poll-interval=6s'];
  t.strictSame(faultsOf(argv), ['--poll-interval: given more than once']);
});

t.test('readSettings() does not take the next option as a value', async (t) => {
  t.strictSame(faultsOf(['--node-name', '--once']), ['--node-name: needs a value']);
  t.equal(read(['--node-name=--once'])['node-name'], '--once');
});

t.test('readSettings() knows no option by the name of an inherited property', async (t) => {
  for (const name of ['--constructor', '--__proto__', '--toString']) {
    t.strictSame(faultsOf([name]), [`${name}: unknown option`]);
  }
});

t.test('readSettings() throws nothing but SettingsError whatever it is given', async (t) => {
  const word = fc.oneof(
    fc.constantFrom(...Object.keys(table).map((name) => `--${name}`), '--', '-', '-o', '--once=1'),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(word), (argv) => faultsOf(argv).every((fault) => fault !== '')));
  t.pass('held for all');
});

t.test('duration() reads milliseconds, seconds, minutes and hours', async (t) => {
  for (const [input, ms] of [
    ['200ms', 200],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
  ] as const) {
    t.equal(table['poll-interval'].parse(input), ms);
  }
});

t.test('duration() refuses what is no duration and what is outside of its limits', async (t) => {
  for (const input of ['', '30', '1.5s', '-1s', '30 s', '1d', 's', '30S', '1h30m']) {
    t.throws(() => table['poll-interval'].parse(input), { message: /^not a duration/ }, input);
  }
  for (const input of ['199ms', '61m', `${'9'.repeat(400)}h`]) {
    t.throws(() => table['poll-interval'].parse(input), { message: 'outside of 200ms to 1h' });
  }
});

t.test('integer() refuses what is no whole number and what is outside of its limits', async (t) => {
  for (const input of ['', '1.5', '1e3', '0x10', ' 7']) {
    t.throws(() => table['series-max'].parse(input), { message: 'not a whole number' }, input);
  }
  for (const input of ['0', '-1', '1000001']) {
    t.throws(() => table['series-max'].parse(input), {
      message: 'outside of 1 to 1000000 series',
    });
  }
});

t.test('a default outside of its own limits is refused when the table is made', async (t) => {
  t.throws(() => integer({ default: 0, min: 1, max: 2, description: '' }));
  t.throws(() => duration({ default: '1ms', minMs: 2, maxMs: 3, description: '' }));
});

t.test('flag() is on when it stands alone, and can be switched off again', async (t) => {
  t.equal(read(['--once']).once, true);
  t.equal(read([], { KHAN_ONCE: '1' }).once, true);
  t.equal(read([], { KHAN_ONCE: 'true' }).once, true);
  t.equal(read([], { KHAN_ONCE: 'false' }).once, false);
  t.equal(read(['--once=0'], { KHAN_ONCE: '1' }).once, false);
});

t.test('list() drops spaces and empty items, and `none` empties it', async (t) => {
  t.strictSame(read(['--exclude', ' 3, 4,,']).exclude, [3, 4]);
  t.strictSame(read([], { KHAN_EXCLUDE: 'none' }).exclude, []);
});

t.test('text() takes an empty value as none', async (t) => {
  t.equal(read(['--state-dir='])['state-dir'], undefined);
  t.equal(read(['--node-name='], { KHAN_NODE_NAME: 'b' })['node-name'], 'node-a');
});

t.test('settingsHelp() lays out every option with its limits and default', async (t) => {
  t.equal(
    settingsHelp(table),
    `\
  --node-name <text>          Name of this node (default node-a)
  --state-dir <text>          Where to keep state
  --poll-interval <duration>  Time between two snapshots (200ms to 1h, default 30s)
  --series-max <integer>      Series that are kept apart; the connections of all others go to
                              overflow series (1 to 1000000 series, default 20000)
  --exclude <list of number>  What to leave out (default 1,2)
  --format <json|text>        How to print (default text)
  --once                      Print once and exit
`,
  );
});

t.test('settingsHelp() gives an overlong option a line of its own', async (t) => {
  const type = 'list of CIDR, transport or port';
  const long = list({ type, parse: String, default: '', description: 'Left out' });
  t.equal(
    settingsHelp({ once: table.once, exclude: long }),
    `\
  --once  Print once and exit
  --exclude <${type}>
          Left out
`,
  );
});

t.test('settingsHelp() never goes beyond 100 columns', async (t) => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,20}$/), { maxLength: 60 });
  fc.assert(
    fc.property(words, (prose) => {
      const help = settingsHelp({ ...table, more: flag({ description: prose.join(' ') }) });
      return help.split('\n').every((line) => line.length <= 100);
    }),
  );
  t.pass('held for all');
});

t.test('settingsMarkdown() is a table as prettier would write it', async (t) => {
  const markdown = settingsMarkdown(table);
  t.equal(await format(markdown, { parser: 'markdown' }), markdown);
  t.match(
    markdown,
    /^\| `--poll-interval` +\| `KHAN_POLL_INTERVAL` +\| duration, 200ms to 1h +\|/m,
  );
  t.match(markdown, String.raw`json\|text`);
});
