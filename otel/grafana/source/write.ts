/** Writes otel/grafana/*.json from their descriptions. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { DASHBOARDS } from './dashboards.ts';

for (const [file, dashboard] of Object.entries(DASHBOARDS)) {
  const path = join(import.meta.dirname, '..', file);
  const options = { ...(await resolveConfig(path)), filepath: path };
  await writeFile(path, await format(JSON.stringify(dashboard), options));
}
