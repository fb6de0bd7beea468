import { requirePrograms } from '../src/demo/programs.ts';
import { Failure } from '../src/runtime/failure.ts';
import { createLog } from '../src/runtime/log.ts';

const log = createLog({ name: 'test', level: 'info' });

/** Before the tests: installs what some need, where that is allowed; else those are skipped. */
for (const [wanted, skipped] of [
  [{}, 'against the kernel'],
  [
    { packages: { tmux: 'tmux' }, purpose: 'open a terminal on this machine' },
    'of khan top in a terminal',
  ],
] as const) {
  try {
    await requirePrograms({ log, ...wanted });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`${error.message}\nWithout it the tests ${skipped} are skipped.\n`);
  }
}
