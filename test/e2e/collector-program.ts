import { join } from 'node:path';
import { goBuild, keyOfModule, type Tell } from './build.ts';
import { cacheFolder } from './cache-folder.ts';

const FOLDER = join(import.meta.dirname, 'go-collector');
const PROGRAM = 'collector';
/** Of Prometheus: without the clients of two dozen clouds that it can discover targets in. */
const TAGS = ['remove_all_sd', 'enable_kubernetes_sd'];

/**
 * Path of a real OpenTelemetry Collector, built from the Go modules pinned in go-collector/ into a
 * cache folder. Throws an Error that says what is missing when it cannot be made here.
 */
export async function requireCollectorProgram(tell: Tell): Promise<string> {
  const key = await keyOfModule(FOLDER, ['go.mod', 'go.sum', 'main.go']);
  const doing = 'Building an OpenTelemetry Collector; cold, this takes minutes';
  const folder = await cacheFolder({ name: PROGRAM, key, files: [PROGRAM] }, async (into) =>
    goBuild('.', { folder: FOLDER, tell, doing, tags: TAGS, into: join(into, PROGRAM) }),
  );
  return join(folder, PROGRAM);
}
