import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY, temporaryFolder } from './program.ts';

export interface Shipped {
  /** Bundled, with koffi beside it. */
  readonly cli: string;
  /** What the Dockerfile's ENTRYPOINT and ENV set for Node. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The image's folder, made as the Dockerfile makes it. */
export async function stageShipped(resources: AsyncDisposableStack): Promise<Shipped> {
  const staged = await temporaryFolder(resources);
  run('npm', ['run', '-s', 'build']);
  run(process.execPath, ['deploy/image/stage.ts', staged]);
  return { cli: join(staged, 'dist/cli.js'), ...(await imageSettings()) };
}

function run(program: string, argv: readonly string[]): void {
  execFileSync(program, argv, { cwd: REPOSITORY, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** What the image sets for Node, as variables. */
export async function imageVariables(): Promise<Readonly<Record<string, string>>> {
  const { flags, env } = await imageSettings();
  return { ...env, NODE_OPTIONS: flags.join(' ') };
}

async function imageSettings(): Promise<Omit<Shipped, 'cli'>> {
  const dockerfile = await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8');
  const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]';
  const argv: readonly string[] = JSON.parse(entrypoint);
  const variables = [...dockerfile.matchAll(/^ENV (?<variables>.*)$/gm)].flatMap(
    ({ groups }) => groups?.['variables']?.split(' ') ?? [],
  );
  return {
    flags: argv.filter((argument) => argument.startsWith('--')),
    env: Object.fromEntries(variables.map((variable) => variable.split('=', 2))),
  };
}
