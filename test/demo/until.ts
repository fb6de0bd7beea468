import { setTimeout as delay } from 'node:timers/promises';

const DEADLINE_MS = 10_000;
const CHECK_MS = 20;

/** Waits for what must come true soon; false when it has not. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + DEADLINE_MS;
  while (performance.now() < endMs) {
    if (await condition()) return true;
    await delay(CHECK_MS);
  }
  return false;
}
