import { requireCollectorProgram } from './collector-program.ts';
import { requireProgramsOfKubernetes } from './kubernetes-programs.ts';

/** Before the tests: builds what they need, once. Without it they are skipped, but fail where CI=true. */
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
for (const make of [requireProgramsOfKubernetes, requireCollectorProgram]) {
  try {
    await make(tell);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tell(`${reason}\nWithout it end-to-end tests are skipped.`);
    if (process.env['CI'] === 'true') process.exitCode = 1;
  }
}
