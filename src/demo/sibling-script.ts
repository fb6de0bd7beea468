import { extname, join } from 'node:path';

/** Path of a script next to this one, as source (.ts) or as built (.js). */
export function siblingScript(name: string): string {
  return join(import.meta.dirname, `${name}${extname(import.meta.filename)}`);
}
