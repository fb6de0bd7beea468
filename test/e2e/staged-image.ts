import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

const REPOSITORY = join(import.meta.dirname, '../..');

/** What the image holds, and a Node beside it, where everybody may read them: gone when the test ends. */
export async function stageImage(t: Test): Promise<{
  readonly folder: string;
  /** The image's entrypoint, without whatever stands in the environment here. */
  readonly entrypoint: readonly string[];
}> {
  const folder = await mkdtemp(join(tmpdir(), 'khan-image-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o755);
  const [app, node] = [join(folder, 'app'), join(folder, 'node')];
  await copyFile(process.execPath, node);
  for (const command of [
    ['npm', 'run', '-s', 'build'],
    [process.execPath, 'deploy/image/stage.ts', app],
  ]) {
    // tap's hooks are no part of a build.
    execFileSync('env', ['-u', 'NODE_OPTIONS', ...command], { cwd: REPOSITORY });
  }
  return { folder, entrypoint: [node, join(app, 'dist/cli.js')] };
}
