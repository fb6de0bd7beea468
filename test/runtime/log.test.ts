import { spawnSync } from 'node:child_process';
import t from 'tap';
import { logLevel } from '../../src/runtime/log.ts';

const LOG = JSON.stringify(new URL('../../src/runtime/log.ts', import.meta.url).href);

/** A real process, because what matters is which stream it writes to and what an exit leaves. */
function run(script: string) {
  const source = `import { createLog } from ${LOG};\n${script}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
  });
  const lines = stderr.split('\n').filter((line) => line !== '');
  return { stdout, events: lines.map((line): unknown => JSON.parse(line)) };
}

t.test('createLog() writes one JSON line an event on stderr and nothing on stdout', async (t) => {
  const { stdout, events } = run(`
    const log = createLog({ name: 'khan', level: 'info' });
    log.info({ entries: 7 }, 'Table read');
    log.warn('Table full');
  `);
  t.equal(stdout, '');
  t.match(events, [
    { level: 'info', name: 'khan', time: /^\d{4}-.*Z$/, entries: 7, msg: 'Table read' },
    { level: 'warn', msg: 'Table full' },
  ]);
  t.equal(events.length, 2);
});

t.test('createLog() writes an error with its causes', async (t) => {
  const { events } = run(`
    const cause = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    const err = new Error('Cannot read the map', { cause });
    createLog({ name: 'khan', level: 'info' }).error({ err }, 'Failed');
  `);
  t.match(events, [
    {
      err: {
        message: 'Cannot read the map',
        stack: /Error/,
        cause: { message: 'no such file', code: 'ENOENT' },
      },
    },
  ]);
});

t.test('createLog() loses no line to an exit that follows at once', async (t) => {
  const { events } = run(`
    const log = createLog({ name: 'khan', level: 'trace' });
    for (let n = 0; n < 1000; n++) log.trace({ n }, 'Line');
    process.exit(0);
  `);
  t.equal(events.length, 1000);
});

function eventsAt(level: string) {
  const create = `createLog({ name: 'khan', level: '${level}' })`;
  return run(`const log = ${create}; log.info('a'); log.fatal('b');`).events;
}

t.test('createLog() leaves out what is below its level', async (t) => {
  t.match(eventsAt('error'), [{ msg: 'b' }]);
  t.strictSame(eventsAt('silent'), []);
});

t.test('logLevel() takes the seven words and is info by default', async (t) => {
  const { default: level, parse } = logLevel();
  t.equal(level, 'info');
  for (const word of ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']) {
    t.equal(parse(word), word);
  }
  t.throws(() => parse('verbose'));
});
