/** Saves one state after the other until it is killed, and says the number of each when it is saved. */
import { writeSync } from 'node:fs';
import { StateFolder } from '../../src/agent/state-folder.ts';
import { StateSaver } from '../../src/agent/state-saver.ts';

const STDOUT = 1;
const WORDS = 20_000;

const [path = ''] = process.argv.slice(2);
const folder = new StateFolder(path);
folder.open();
const [ledger] = folder.read() ?? [];
const saver = new StateSaver({ path, stamp: folder.stamp() });
let generation = Number.parseInt(Buffer.from(ledger?.bytes ?? []).toString() || '0', 10);
for (;;) {
  generation++;
  const bytes = Buffer.from(Array.from({ length: WORDS }, () => generation).join(' '));
  saver.write('ledger', bytes);
  const { kind } = saver.finish([{ name: 'rows', bytes }]);
  if (kind !== 'saved') throw new Error(`Cannot save: ${kind}`);
  writeSync(STDOUT, `${generation}\n`);
}
