/** Loaded before a program that is measured: tells its parent, when asked, how long its event loop was blocked. */
import { isMainThread } from 'node:worker_threads';

const TICK_MS = 2;

if (isMainThread) {
  let last = performance.now();
  let longest = 0;
  const note = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last - TICK_MS);
    last = now;
  };
  setInterval(note, TICK_MS).unref();
  process.on('message', () => {
    note();
    process.send?.(longest);
    longest = 0;
  });
  process.channel?.unref();
}
