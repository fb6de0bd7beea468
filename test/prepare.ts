import { requirePrograms } from '../src/demo/programs.ts';
import { Failure } from '../src/runtime/failure.ts';
import { createLog } from '../src/runtime/log.ts';

/** Before the tests: installs what the lab needs, where that is allowed; else its tests are skipped. */
try {
  await requirePrograms({ log: createLog({ name: 'test', level: 'info' }) });
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`${error.message}\nWithout it the tests against the kernel are skipped.\n`);
}
