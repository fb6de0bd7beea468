import { requireProgramsOfKubernetes } from './programs.ts';

/** Before the tests: builds what they need, once. Without it they are skipped, but fail where CI=true. */
const tell = (line: string): void => void process.stderr.write(`${line}\n`);
try {
  await requireProgramsOfKubernetes(tell);
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error);
  tell(`${reason}\nWithout it the end-to-end tests are skipped.`);
  if (process.env['CI'] === 'true') process.exitCode = 1;
}
