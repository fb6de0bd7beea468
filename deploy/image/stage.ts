/**
 * What the image holds, in a folder: `node deploy/image/stage.ts FOLDER` after `npm run build`. The
 * Dockerfile and the tests both use it, so that what is tested is what is shipped.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

const REPOSITORY = join(import.meta.dirname, '../..');
/** What went into which file of dist/: of use here alone. */
const METAFILE = 'dist/metafile.json';
/** The package that is not in dist/: it has a binary for each architecture. */
const EXTERNAL = 'koffi';
/** Sources, types and pages of it, and what npm leaves: nothing loads them. */
const NOT_LOADED = [
  METAFILE,
  'package-lock.json',
  'node_modules/.package-lock.json',
  `node_modules/${EXTERNAL}/{cnoke.cjs,doc,lib,vendor,src/koffi/CMakeLists.txt}`,
  'node_modules/**/*.{ts,md,cc,hh,inc,def,asm,S}',
];
const LICENCE = /^(?:un)?licen[cs]e|^copying|^notice/i;
/** Where a package has no file with its licence, this tells of it. */
const README = /^readme/i;

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Cannot stage the image: no folder given');
mkdirSync(folder, { recursive: true });
for (const name of ['dist', 'LICENSE']) {
  rmSync(join(folder, name), { recursive: true, force: true });
  cpSync(join(REPOSITORY, name), join(folder, name), { recursive: true });
}
installExternal(folder);
const bundled = bundledPackages();
const licences = bundled.map((path) => `${'='.repeat(80)}\n${licenceOf(path)}`);
writeFileSync(
  join(folder, 'THIRD-PARTY-LICENSES'),
  `dist/ holds code of these packages, each under its licence.\n\n${licences.join('\n')}`,
);
// By these, scanners and the SBOM know what is in dist/.
for (const path of bundled) {
  mkdirSync(join(folder, path), { recursive: true });
  cpSync(join(REPOSITORY, path, 'package.json'), join(folder, path, 'package.json'));
}
for (const name of NOT_LOADED.flatMap((pattern) => globSync(pattern, { cwd: folder }))) {
  rmSync(join(folder, name), { recursive: true, force: true });
}

/** For the architecture that npm is told, as package-lock.json has it. */
function installExternal(into: string): void {
  const { name, version, license, type, engines, dependencies } = readJson('package.json');
  const lock = readJson('package-lock.json');
  const external = { [EXTERNAL]: dependencies[EXTERNAL] };
  const manifest = { name, version, license, type, engines, dependencies: external };
  const binaries = Object.keys(lock.packages[`node_modules/${EXTERNAL}`].optionalDependencies);
  const paths = [EXTERNAL, ...binaries].map((each) => `node_modules/${each}`);
  const locked = Object.fromEntries(paths.map((path) => [path, lock.packages[path]]));
  writeFileSync(join(into, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  writeFileSync(
    join(into, 'package-lock.json'),
    JSON.stringify({ ...lock, packages: { '': manifest, ...locked } }),
  );
  // No script has to run: the binaries are optional dependencies.
  execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: into,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Paths such as `node_modules/ajv/node_modules/fast-uri`. */
function bundledPackages(): readonly string[] {
  const { outputs }: Metafile = readJson(METAFILE);
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const paths = files.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(paths)].filter((path) => path !== undefined).toSorted();
}

function licenceOf(path: string): string {
  const { name, version, license } = readJson(join(path, 'package.json'));
  const files = readdirSync(join(REPOSITORY, path)).toSorted();
  const telling = [LICENCE, README]
    .map((pattern) => files.filter((file) => pattern.test(file)))
    .find(({ length }) => length > 0);
  if (telling === undefined) throw new Error(`Cannot ship ${path}: no file tells its licence`);
  const texts = telling.map((file) => readFileSync(join(REPOSITORY, path, file), 'utf8').trim());
  return `${name} ${version}: ${license}\n\n${texts.join('\n\n')}\n`;
}

function readJson(path: string) {
  return JSON.parse(readFileSync(join(REPOSITORY, path), 'utf8'));
}
