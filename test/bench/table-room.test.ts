import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { lackOfRoom, roomFor } from './table-room.ts';

/** What nf_conntrack_max says; no test here touches that of the host. */
const BEFORE = '500\n';
const RAISED = '1053';
/** A process that ends at a signal has ended by then. */
const SIGNAL_MS = 200;
/** May be read by everybody, and written by nobody. */
const READ_ONLY = '/proc/sys/kernel/ngroups_max';

interface Run {
  readonly file: string;
  readonly program: ChildProcessWithoutNullStreams;
  /** Its own and its guard's, who holds this pipe as well: when it is closed both have ended. */
  readonly said: Promise<string>;
}

async function heldRoom(t: Test): Promise<Run> {
  const file = join(t.testdir({ limit: BEFORE }), 'limit');
  const program = spawn(process.execPath, [join(import.meta.dirname, 'hold-room.ts'), file]);
  const said = text(program.stderr);
  await Promise.race([once(program.stdout, 'data'), said]);
  t.equal(await readFile(file, 'utf8'), RAISED);
  return { file, program, said };
}

/** The guard ends with its parent, and is no child of this process. */
async function guardOf({ program }: Run): Promise<number> {
  const path = `/proc/${program.pid}/task/${program.pid}/children`;
  return Number((await readFile(path, 'utf8')).trim());
}

for (const [how, end] of Object.entries<(run: Run) => void>({
  'in order': ({ program }) => program.stdin.end(),
  'with an error': ({ program }) => program.stdin.end('throw'),
  'by SIGINT': ({ program }) => program.kill('SIGINT'),
  'by SIGTERM': ({ program }) => program.kill('SIGTERM'),
  'by SIGKILL': ({ program }) => program.kill('SIGKILL'),
})) {
  t.test(`a limit is put back when the benchmark ends ${how}`, async (t) => {
    const run = await heldRoom(t);
    end(run);
    t.match(await run.said, /: raised from 500 to 1,053 for this run\n[^]*: put back to 500\n/);
    t.equal(await readFile(run.file, 'utf8'), '500');
  });
}

t.test('a guard outlives what tells all processes to end', async (t) => {
  const run = await heldRoom(t);
  const guard = await guardOf(run);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.kill(guard, signal);
  await delay(SIGNAL_MS);
  t.equal(await readFile(run.file, 'utf8'), RAISED);
  run.program.stdin.end();
  t.match(await run.said, ': put back to 500\n');
});

t.test('who has lost its guard puts the limit back by itself', async (t) => {
  const run = await heldRoom(t);
  process.kill(await guardOf(run), 'SIGKILL');
  run.program.stdin.end();
  t.match(await run.said, ': put back to 500\n');
  t.equal(await readFile(run.file, 'utf8'), '500');
});

t.test('a limit that somebody else has changed meanwhile stays', async (t) => {
  const run = await heldRoom(t);
  await writeFile(run.file, '2000');
  run.program.kill('SIGKILL');
  t.match(await run.said, ': stays at 2,000: somebody else has changed it\n');
  t.equal(await readFile(run.file, 'utf8'), '2000');
});

t.test('a limit is raised by one benchmark at a time', async (t) => {
  const run = await heldRoom(t);
  await t.rejects(roomFor(2000, { file: run.file }), {
    name: 'Failure',
    message: /another benchmark has/,
  });
  run.program.stdin.end();
  await run.said;
  t.equal(await readFile(run.file, 'utf8'), '500');
});

t.test('a limit that is high enough is left alone', async (t) => {
  const file = join(t.testdir({ limit: BEFORE }), 'limit');
  const room = await roomFor(500, { file });
  t.equal(await readFile(file, 'utf8'), BEFORE);
  await room[Symbol.asyncDispose]();
  t.equal(await readFile(file, 'utf8'), BEFORE);
});

t.test('it is said why there is no room', async (t) => {
  const file = join(t.testdir({ limit: BEFORE }), 'limit');
  const host = { file, buckets: 1e9 };
  t.equal(await lackOfRoom(500, host), undefined);
  t.equal(await lackOfRoom(501, host), undefined);
  t.match(
    await lackOfRoom(1e6, { ...host, file: READ_ONLY }),
    /is 65,536, and may not be raised from here\.$/,
  );
  t.match(
    await lackOfRoom(1e6, { ...host, buckets: 65_536 }),
    /^they would be 30\.5 in each of the host's 65,536 hash buckets/,
  );
  t.match(await lackOfRoom(8e9, host), /need 8,192,000 MB of memory, [0-9,]+ MB are there\.$/);
  await t.rejects(roomFor(8e9, host), {
    name: 'Failure',
    message: /^Cannot fill a table with 8,000,000,000 entries: they and their readers need/,
  });
  t.equal(await readFile(file, 'utf8'), BEFORE);
});
