/**
 * Folders for programs that take minutes to make. A folder is named after everything that decides
 * what is in it, so that it is filled once.
 */
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** The folder of this name and key; filled if it is not there, and then moved to its place at once. */
export async function cacheFolder(
  {
    name,
    key,
    files,
  }: { readonly name: string; readonly key: string; readonly files: readonly string[] },
  fill: (into: string) => Promise<void>,
): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const place = join(cache, 'khan', `${name}-${key.slice(0, 16)}`);
  const isThere = async () =>
    (await Promise.allSettled(files.map((file) => access(join(place, file))))).every(
      ({ status }) => status === 'fulfilled',
    );
  if (await isThere()) return place;
  await mkdir(dirname(place), { recursive: true });
  const temporary = await mkdtemp(`${place}.`);
  try {
    await fill(temporary);
    await rename(temporary, place);
  } catch (error) {
    // Somebody else may have been faster.
    if (!(await isThere())) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return place;
}
