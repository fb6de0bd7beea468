import { registerHooks } from 'node:module';

/** From now on notes what is imported; says whether a part of some module's URL is there. */
export function watchImports(): (part: string) => boolean {
  const urls = new Set<string>();
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      urls.add(resolved.url);
      return resolved;
    },
  });
  return (part) => [...urls].some((url) => url.includes(part));
}
