import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';

const room = new URL('../../src/runtime/', import.meta.url);

/** Runs a real program and sends it one signal for each line that it prints. */
async function run({
  script,
  signals,
}: {
  readonly script: string;
  readonly signals: readonly NodeJS.Signals[];
}) {
  const source = `
    import { once } from 'node:events';
    import { createLog } from ${JSON.stringify(new URL('log.ts', room).href)};
    import { untilSignal } from ${JSON.stringify(new URL('shutdown.ts', room).href)};
    const log = createLog({ name: 'khan', level: 'info' });
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source]);
  const log = text(child.stderr);
  const left = [...signals];
  child.stdout.on('data', () => {
    const next = left.shift();
    if (next !== undefined) child.kill(next);
  });
  const [exitCode] = await once(child, 'exit');
  return { exitCode, log: await log };
}

for (const name of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`untilSignal() turns ${name} into an abort, and the program ends in order`, async (t) => {
    const { exitCode, log } = await run({
      script: `
        using shutdown = untilSignal({ log });
        const alive = setInterval(() => {}, 1000);
        const aborted = once(shutdown.signal, 'abort');
        console.log('ready');
        await aborted;
        clearInterval(alive);`,
      signals: [name],
    });
    t.equal(exitCode, 0);
    t.match(log, `"signal":"${name}"`);
    t.notMatch(log, 'Cannot end in order');
  });
}

t.test('untilSignal() ends the process at the second signal', async (t) => {
  const { exitCode, log } = await run({
    script: `
      const { signal } = untilSignal({ log, deadlineMs: 600_000 });
      setInterval(() => {}, 1000);
      signal.addEventListener('abort', () => console.log('still here'));
      console.log('ready');`,
    signals: ['SIGTERM', 'SIGINT'],
  });
  t.equal(exitCode, 130);
  t.match(log, 'Cannot end in order: a second signal came');
});

t.test('untilSignal() ends a process that is still running after the deadline', async (t) => {
  const { exitCode, log } = await run({
    script: `
      untilSignal({ log, deadlineMs: 20 });
      setInterval(() => {}, 1000);
      console.log('ready');`,
    signals: ['SIGTERM'],
  });
  t.equal(exitCode, 143);
  t.match(log, 'Cannot end in order: still running 20 ms after the signal');
});

t.test('untilSignal() does not keep a program alive until the deadline', async (t) => {
  const { exitCode, log } = await run({
    script: `
      const { signal } = untilSignal({ log, deadlineMs: 600_000 });
      const alive = setInterval(() => {}, 1000);
      signal.addEventListener('abort', () => clearInterval(alive));
      console.log('ready');`,
    signals: ['SIGTERM'],
  });
  t.equal(exitCode, 0);
  t.notMatch(log, 'Cannot end in order');
});

t.test('untilSignal() leaves signals and deadline alone once disposed of', async (t) => {
  const { exitCode } = await run({
    script: `
      const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
      const before = listeners();
      {
        using shutdown = untilSignal({ log, deadlineMs: 20 });
        const aborted = once(shutdown.signal, 'abort');
        const alive = setInterval(() => {}, 1000);
        console.log('ready');
        await aborted;
        clearInterval(alive);
      }
      setTimeout(() => process.exit(listeners() === before ? 7 : 8), 100);`,
    signals: ['SIGTERM'],
  });
  t.equal(exitCode, 7, 'its own timer ended it, and no deadline');
});
