import type { Test } from 'tap';
import { requireCollectorProgram } from './collector-program.ts';
import { requireProgramsOfKubernetes } from './kubernetes-programs.ts';

const tell = (line: string): void => void process.stderr.write(`${line}\n`);

/** Runs the tests of a file where there is a real API server to run them against, and says it loudly where not. */
export async function requireServers(t: Test, tests: () => Promise<void>): Promise<void> {
  await require(t, {
    program: async () => requireProgramsOfKubernetes(tell),
    missing: 'THE API SERVER WAS NOT ASKED',
    tests,
  });
}

/** The same with a real OpenTelemetry Collector; the tests are given the path of its program. */
export async function requireCollector(
  t: Test,
  tests: (program: string) => Promise<void>,
): Promise<void> {
  await require(t, {
    program: async () => requireCollectorProgram(tell),
    missing: 'THE COLLECTOR WAS NOT RUN',
    tests,
  });
}

async function require<Program>(
  t: Test,
  {
    program,
    missing,
    tests,
  }: {
    readonly program: () => Promise<Program>;
    readonly missing: string;
    readonly tests: (program: Program) => Promise<void>;
  },
): Promise<void> {
  let made: Program;
  try {
    made = await program();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (process.env['CI'] === 'true') throw error;
    t.pass('skipped', { skip: `${missing}: ${reason}` });
    return;
  }
  await tests(made);
}
