import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 10_000;
const CHECK_MS = 20;

/** Waits for what must come true soon; false when it has not. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { patienceMs = PATIENCE_MS }: { readonly patienceMs?: number } = {},
): Promise<boolean> {
  const endMs = performance.now() + patienceMs;
  while (performance.now() < endMs) {
    if (await condition()) return true;
    await delay(CHECK_MS);
  }
  return false;
}
