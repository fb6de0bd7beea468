const TICK_MS = 2;

/**
 * Runs `work` and returns the longest time in which a timer of 2 ms did not fire, in ms: how long
 * the event loop was blocked. (perf_hooks.monitorEventLoopDelay() gives implausible maxima.)
 */
export async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const note = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - TICK_MS);
    last = now;
  };
  const timer = setInterval(note, TICK_MS);
  try {
    await work();
    note();
  } finally {
    clearInterval(timer);
  }
  return longest;
}
