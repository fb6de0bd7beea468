/** Programs of others that make programs for the tests: go, npm, tar. */
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A sign of life while a build is quiet; a cold one takes minutes. */
const PROGRESS_MS = 15_000;

export type Tell = (line: string) => void;

interface Task {
  readonly tell: Tell;
  readonly doing: string;
  /** Working directory: for go, that of the module. */
  readonly folder: string;
}

/** What decides what is built from a module. */
export async function keyOfModule(folder: string, files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map((name) => readFile(join(folder, name))));
  return hash('sha256', Buffer.concat(contents));
}

/** Builds a package of the pinned modules into a folder, or as a file. */
export async function goBuild(
  target: string,
  {
    into,
    linkerFlags = '',
    tags = [],
    ...task
  }: Task & {
    readonly into: string;
    readonly linkerFlags?: string;
    readonly tags?: readonly string[];
  },
): Promise<void> {
  const flags = ['-mod=readonly', '-trimpath', '-ldflags', `-s -w ${linkerFlags}`.trim()];
  if (tags.length > 0) flags.push('-tags', tags.join(','));
  await run('go', ['build', ...flags, '-o', into, target], task);
}

/** Returns what the program prints. */
export async function run(
  program: string,
  argv: readonly string[],
  { tell, doing, folder }: Task,
): Promise<string> {
  const beganMs = performance.now();
  const seconds = () => Math.round((performance.now() - beganMs) / 1000);
  tell(`${doing} …`);
  const progress = setInterval(() => tell(`${doing} … ${seconds()} s`), PROGRESS_MS);
  try {
    const child = spawn(program, argv, {
      cwd: folder,
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`Cannot run ${program} ${argv[0]}: exit ${code}`);
    return output;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new Error(`Cannot build the programs of the tests: ${program} is not installed`, {
        cause,
      });
    }
    throw cause;
  } finally {
    clearInterval(progress);
  }
}
