/**
 * `npm run build`: both programs in dist/ with the packages that they load. What they import on demand is a
 * file of its own, so that each loads what it needs.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const REPOSITORY = join(import.meta.dirname, '../..');

rmSync(join(REPOSITORY, 'dist'), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: REPOSITORY,
  outdir: 'dist',
  // As in src/, what is started by its path lies beside whoever starts it, and cli one folder above.
  entryPoints: {
    cli: 'src/cli.ts',
    'chunks/snapshot-worker': 'src/agent/snapshot-worker.ts',
    'chunks/end-with-parent': 'src/demo/end-with-parent.ts',
    'chunks/workload': 'src/demo/workload.ts',
  },
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24.12',
  // It has a binary for each architecture.
  external: ['koffi'],
  // CommonJS packages require() modules of Node.
  banner: {
    js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
  },
  // stage.ts ships licences whole.
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(join(REPOSITORY, 'dist/metafile.json'), JSON.stringify(metafile));
