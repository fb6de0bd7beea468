/**
 * Holds a limit raised for as long as who has started it is there: however that ends, SIGKILL included,
 * the kernel closes the channel between the two, and the limit is put back.
 * Run with an IPC channel: `node --import src/demo/end-with-parent.ts test/bench/limit-guard.ts FILE LIMIT`.
 */
import { writeFileSync } from 'node:fs';
import { counted } from './suite-step.ts';
import { putBack, readLimit, say } from './table-room.ts';

const [file = '', argument] = process.argv.slice(2);
const limit = Number(argument);
const before = readLimit(file);

// It ends with its parent and not before, whoever else is told to.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
// Who reads what we say may be gone.
process.stderr.on('error', () => {});

if (before < limit) {
  process.once('exit', () => putBack({ file, before, limit }));
  writeFileSync(file, String(limit));
  say(`raised from ${counted(before)} to ${counted(limit)} for this run`);
}
process.channel?.ref();
process.send?.(before);
