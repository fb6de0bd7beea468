const TICK_MS = 2;

interface Block {
  readonly ms: number;
  /** Of the longest in CPU time of this thread: what a neighbour on the machine takes is not in it. */
  readonly cpuMs: number;
}

/**
 * Runs `work` and returns the longest time in which a timer of 2 ms did not fire: how long the event
 * loop was blocked. (perf_hooks.monitorEventLoopDelay() gives implausible maxima.)
 */
export async function longestBlock(work: () => Promise<unknown>): Promise<Block> {
  let last = performance.now();
  let lastCpu = process.threadCpuUsage();
  let ms = 0;
  let cpuMs = 0;
  const note = () => {
    const now = performance.now();
    const { user, system } = process.threadCpuUsage(lastCpu);
    ms = Math.max(ms, now - last - TICK_MS);
    cpuMs = Math.max(cpuMs, (user + system) / 1000);
    last = now;
    lastCpu = process.threadCpuUsage();
  };
  const timer = setInterval(note, TICK_MS);
  try {
    await work();
    note();
  } finally {
    clearInterval(timer);
  }
  return { ms, cpuMs };
}

/** The same, in ms of the clock on the wall. */
export async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  return (await longestBlock(work)).ms;
}
