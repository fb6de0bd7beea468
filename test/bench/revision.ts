import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_USAGE, Failure } from '../../src/runtime/failure.ts';
import { REPOSITORY, temporaryFolder } from './program.ts';

/** Another revision of the repository, in a worktree that goes with `resources`, or when we are interrupted. */
export interface Revision {
  /** Short hash. */
  readonly name: string;
  readonly repository: string;
}

/** Throws a Failure where git knows no such revision. */
export async function checkOut(
  revision: string,
  resources: AsyncDisposableStack,
): Promise<Revision> {
  const hash = commitOf(revision);
  const repository = join(await temporaryFolder(resources), 'worktree');
  const remove = () => {
    rmSync(repository, { recursive: true, force: true });
    git(['worktree', 'prune']);
  };
  // temporaryFolder() ends the program when it is interrupted.
  process.once('exit', remove);
  resources.defer(() => {
    process.off('exit', remove);
    remove();
  });
  git(['worktree', 'add', '--detach', '--quiet', repository, hash]);
  if (lockOf(repository) === lockOf(REPOSITORY)) {
    symlinkSync(join(REPOSITORY, 'node_modules'), join(repository, 'node_modules'));
  } else {
    process.stderr.write('Its packages are others: npm ci\n');
    const argv = ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'];
    execFileSync('npm', argv, { cwd: repository, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return { name: hash.slice(0, 9), repository };
}

/** Of this working tree: its commit, and a plus where something is not committed. */
export function workingTree(): Revision {
  const isDirty = git(['status', '--porcelain']).trim() !== '';
  return { name: commitOf('HEAD').slice(0, 9) + (isDirty ? '+' : ''), repository: REPOSITORY };
}

function commitOf(revision: string): string {
  try {
    return git([
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${revision}^{commit}`,
    ]).trim();
  } catch (cause) {
    const message = `Cannot compare with ${revision}: git knows no such commit`;
    throw new Failure(message, { exitCode: EXIT_USAGE, cause });
  }
}

function lockOf(repository: string): string {
  return readFileSync(join(repository, 'package-lock.json'), 'utf8');
}

function git(argv: readonly string[]): string {
  return execFileSync('git', argv, {
    cwd: REPOSITORY,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
