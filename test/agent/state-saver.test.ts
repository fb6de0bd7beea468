import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { StateFolder } from '../../src/agent/state-folder.ts';
import { StateSaver } from '../../src/agent/state-saver.ts';
import { skip } from '../kernel/skip.ts';

const SAVE_FOREVER = fileURLToPath(new URL('../fakes/save-forever.ts', import.meta.url));
const KILLS = 25;

function blocksOf(path: string): Record<string, string> {
  const blocks = new StateFolder(path).read() ?? [];
  return Object.fromEntries(blocks.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]));
}

function textBlocks(text: string) {
  return [{ name: 'rows', bytes: Buffer.from(text) }];
}

t.test('a state is written in pieces, one state after the other', async (t) => {
  const path = t.testdir();
  const saver = new StateSaver({ path, stamp: undefined });
  for (const generation of ['1', '2', '3']) {
    saver.write('ledger', Buffer.from(`ledger ${generation}`));
    t.match(saver.finish(textBlocks(`rows ${generation}`)), { kind: 'saved', bytes: Number });
    t.strictSame(blocksOf(path), { ledger: `ledger ${generation}`, rows: `rows ${generation}` });
  }
});

t.test('a state that somebody else has written is not written over', async (t) => {
  const path = t.testdir();
  const one = new StateSaver({ path, stamp: undefined });
  one.finish(textBlocks('one'));
  const other = new StateSaver({ path, stamp: new StateFolder(path).stamp() });
  t.match(other.finish(textBlocks('other')), { kind: 'saved' }, 'it has read it');
  t.strictSame(one.finish(textBlocks('one again')), { kind: 'shared' });
  t.strictSame(blocksOf(path), { rows: 'other' });
  t.strictSame(readdirSync(path), ['agent.state']);

  rmSync(new StateFolder(path).filePath);
  t.match(one.finish(textBlocks('mine')), { kind: 'saved' }, 'one that was deleted is nobody’s');
});

t.test('where no state can be written any more, the old one does not stay', async (t) => {
  const path = t.testdir();
  const saver = new StateSaver({ path, stamp: undefined });
  saver.finish(textBlocks('old'));
  const tooMuch = Object.defineProperty(new Uint8Array(1), 'length', { value: 2 ** 31 });
  saver.write('ledger', tooMuch);
  saver.write('ledger', Buffer.from('the rest'));
  t.match(saver.finish(textBlocks('new')), {
    kind: 'failed',
    message: /Cannot write a state of more than/,
  });
  t.strictSame(readdirSync(path), []);
  t.match(saver.finish(textBlocks('next')), { kind: 'saved' }, 'the next one is tried again');
  rmSync(path, { recursive: true });
  t.match(saver.finish(textBlocks('nowhere')), { kind: 'failed', message: /ENOENT/ });
});

t.test('a full disk keeps no state, and no half of one', { skip }, async (t) => {
  const path = t.testdir();
  const script = `
    const { StateSaver } = await import(${JSON.stringify(import.meta.resolve('../../src/agent/state-saver.ts'))});
    const { readdirSync } = await import('node:fs');
    const saver = new StateSaver({ path: process.argv[1], stamp: undefined });
    const results = [10, 200_000, 10].map((length) => {
      const { kind, message } = saver.finish([{ name: 'rows', bytes: Buffer.alloc(length) }]);
      return { kind, message, files: readdirSync(process.argv[1]) };
    });
    process.stdout.write(JSON.stringify(results));
  `;
  // Mounted where nobody else sees it.
  const shell =
    'mount -t tmpfs -o size=64k none "$1" && exec "$2" --input-type=module -e "$3" "$1"';
  const argv = ['--mount', 'sh', '-c', shell, 'sh', path, process.execPath, script];
  const { stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8' });
  t.equal(stderr, '');
  t.match(JSON.parse(stdout), [
    { kind: 'saved', files: ['agent.state'] },
    { kind: 'failed', message: /ENOSPC/, files: [] },
    { kind: 'saved', files: ['agent.state'] },
  ]);
});

t.test('whenever a writer is killed, a whole state is found, and none that is older', async (t) => {
  const path = t.testdir();
  let announced = 0;
  let generations = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const writer = spawn(process.execPath, [SAVE_FOREVER, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    writer.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(writer.stdout, 'data');
    await delay(Math.random() * 30);
    writer.kill('SIGKILL');
    await once(writer, 'close');
    announced = Number(said.trim().split('\n').at(-1));

    const { ledger = '', rows = '' } = blocksOf(path);
    const generation = Number(ledger.split(' ')[0]);
    t.ok(generation >= announced, `${generation} was found, ${announced} was announced`);
    t.ok(generation <= announced + 1, 'and at most one more was written');
    t.equal(new Set(`${ledger} ${rows}`.split(' ')).size, 1, 'all of one generation');
    generations = Math.max(generations, generation);
  }
  t.ok(generations > KILLS);
});
