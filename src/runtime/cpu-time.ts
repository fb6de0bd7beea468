import { setImmediate as pause } from 'node:timers/promises';

/** Processor time, user and system, that the calling thread takes for some of what it does. */
export class CpuTime {
  #totalMs = 0;

  /** All of it so far. */
  get totalMs(): number {
    return this.#totalMs;
  }

  measure<T>(work: () => T): T {
    const beganMs = threadCpuMs();
    try {
      return work();
    } finally {
      this.#totalMs += threadCpuMs() - beganMs;
    }
  }

  /** Step by step, with a pause after each; what runs in the pauses is not counted. */
  async run<T>(steps: Iterator<void, T>): Promise<T> {
    for (;;) {
      const { done, value } = this.measure(() => steps.next());
      if (done === true) return value;
      await pause();
    }
  }

  /** Until it settles, with whatever else the thread does meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const beganMs = threadCpuMs();
    try {
      return await work();
    } finally {
      this.#totalMs += threadCpuMs() - beganMs;
    }
  }
}

/**
 * Processor time of the calling thread so far, user and system. A thread's own counters are as of its last
 * tick of 1 to 10 ms. To ask for the process brings those of the thread that asks up to date:
 * thread_group_cputime(), kernel/sched/cputime.c.
 */
export function threadCpuMs(): number {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
