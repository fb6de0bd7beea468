import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { StateWriter, UnusableState } from '../../src/agent/state-file.ts';
import { StateFolder } from '../../src/agent/state-folder.ts';
import { EXIT_FAILURE, Failure } from '../../src/runtime/failure.ts';

const NOW_MS = Date.UTC(2026, 10, 26, 21, 30);

function write(folder: StateFolder, text: string): void {
  using writer = new StateWriter(folder.filePath);
  writer.block('ledger', Buffer.from(text));
  writer.commit();
}

t.test('a directory that is not there is made, for its owner only', async (t) => {
  const path = join(t.testdir(), 'state');
  const folder = new StateFolder(path);
  folder.open();
  t.equal(statSync(path).mode & 0o777, 0o700);
  t.equal(folder.read(), undefined, 'without a state');
  t.equal(folder.stamp(), undefined);
  t.strictSame(readdirSync(path), [], 'and without anything else');
});

t.test('a state is read again', async (t) => {
  const folder = new StateFolder(t.testdir());
  folder.open();
  write(folder, 'kept');
  const [block] = new StateFolder(join(folder.filePath, '..')).read() ?? [];
  t.equal(Buffer.from(block!.bytes).toString(), 'kept');
  folder.open();
  t.not(folder.read(), undefined, 'opening it takes nothing away');
  folder.discard();
  t.equal(folder.read(), undefined);
});

t.test('where no file can be written the agent does not start', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file', 'state');
  t.throws(() => new StateFolder(path).open(), {
    name: 'Failure',
    message: /^Cannot keep state in .*file\/state: ENOTDIR.*Is --state-dir right/,
    exitCode: EXIT_FAILURE,
  });
  t.throws(() => new StateFolder('/proc/khan').open(), Failure);
});

t.test('what cannot be used is set aside, and the last three are kept', async (t) => {
  const path = t.testdir({ 'something.else': '' });
  const folder = new StateFolder(path);
  for (let at = 0; at < 5; at++) {
    writeFileSync(folder.filePath, `damaged ${at}`);
    t.throws(() => folder.read(), UnusableState);
    folder.setAside(NOW_MS + at);
    t.equal(folder.read(), undefined);
  }
  t.strictSame(readdirSync(path), [
    'agent.state.unusable-2026-11-26T21-30-00.002Z',
    'agent.state.unusable-2026-11-26T21-30-00.003Z',
    'agent.state.unusable-2026-11-26T21-30-00.004Z',
    'something.else',
  ]);
  const last = join(path, 'agent.state.unusable-2026-11-26T21-30-00.004Z');
  t.equal(readFileSync(last, 'utf8'), 'damaged 4');
});

t.test('what is not even a file is set aside too', async (t) => {
  const folder = new StateFolder(t.testdir());
  for (let at = 0; at < 5; at++) {
    mkdirSync(join(folder.filePath, 'full'), { recursive: true });
    t.throws(() => folder.read(), /it cannot be read: EISDIR/);
    folder.setAside(NOW_MS + at);
  }
  folder.open();
  t.equal(folder.read(), undefined);
});

t.test('a stamp tells one file from the next', async (t) => {
  const folder = new StateFolder(t.testdir());
  write(folder, 'one');
  const stamp = folder.stamp();
  t.equal(folder.stamp(), stamp);
  write(folder, 'two');
  t.not(folder.stamp(), stamp);
});
