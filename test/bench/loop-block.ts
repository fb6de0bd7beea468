import { threadCpuMs } from '../../src/runtime/cpu-time.ts';

const TICK_MS = 2;

export interface Block {
  readonly ms: number;
  /** Of the longest in processor time of this thread: what others on the machine take is not in it. */
  readonly cpuMs: number;
}

/**
 * How long the event loop of this thread is blocked: the longest time in which a timer of 2 ms, which
 * calls note(), did not fire. (perf_hooks.monitorEventLoopDelay() gives implausible maxima.)
 */
export class LoopBlock {
  #last = performance.now();
  #lastCpuMs = threadCpuMs();
  #ms = 0;
  #cpuMs = 0;

  /** As long as this thread lives, which it does not prolong. */
  static watch(): LoopBlock {
    const block = new LoopBlock();
    setInterval(() => block.note(), TICK_MS).unref();
    return block;
  }

  note(): void {
    const now = performance.now();
    const cpuMs = threadCpuMs();
    this.#ms = Math.max(this.#ms, now - this.#last - TICK_MS);
    this.#cpuMs = Math.max(this.#cpuMs, cpuMs - this.#lastCpuMs);
    this.#last = now;
    this.#lastCpuMs = cpuMs;
  }

  /** Up to now; the next one begins. */
  take(): Block {
    this.note();
    const block = { ms: this.#ms, cpuMs: this.#cpuMs };
    this.#ms = 0;
    this.#cpuMs = 0;
    return block;
  }
}

/** The longest block while `work` runs. */
export async function longestBlock(work: () => Promise<unknown>): Promise<Block> {
  const block = new LoopBlock();
  const timer = setInterval(() => block.note(), TICK_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return block.take();
}

/** The same, in ms of the clock on the wall. */
export async function longestBlockMs(work: () => Promise<unknown>): Promise<number> {
  return (await longestBlock(work)).ms;
}
