import type { Test } from 'tap';
import { requireProgramsOfKubernetes } from './programs.ts';

/** Runs the tests of a file where there is a real API server to run them against, and says it loudly where not. */
export async function requireServers(t: Test, tests: () => Promise<void>): Promise<void> {
  try {
    await requireProgramsOfKubernetes((line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (process.env['CI'] === 'true') throw error;
    t.pass('skipped', { skip: `THE API SERVER WAS NOT ASKED: ${reason}` });
    return;
  }
  await tests();
}
