/** `npm run docs`: writes docs/metrics.md as the registry has it; with --check, says whether it is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { metricsPage } from './metrics-page.ts';
import { readRegistry } from './read-registry.ts';

const path = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));
const style = await resolveConfig(path);
const page = await format(metricsPage(readRegistry()), { ...style, filepath: path });

if (!process.argv.includes('--check')) writeFileSync(path, page);
else if (readFileSync(path, 'utf8') !== page) {
  throw new Error('docs/metrics.md is not what otel/registry says: npm run docs');
}
