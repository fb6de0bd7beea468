import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSecondsOf } from './program.ts';
import { rounded, spreadOf } from './spread.ts';

export interface Paced {
  readonly per_second: number;
  /** Times that who asks waits: its own share of the machine is in it. */
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  /** Of one core, of the program that answers. */
  readonly cpu_share: number;
}

const TICK_MS = 5;

/** Asks so often a second for so long, whether or not the questions before have been answered. */
export async function paced(
  ask: (nth: number) => Promise<unknown>,
  {
    perSecond,
    ms,
    program,
  }: { readonly perSecond: number; readonly ms: number; readonly program: ChildProcess },
): Promise<Paced> {
  const takenMs: number[] = [];
  const asked: Promise<void>[] = [];
  const one = async (nth: number) => {
    const beganMs = performance.now();
    await ask(nth);
    takenMs.push(performance.now() - beganMs);
  };
  const beganCpu = await cpuSecondsOf(program);
  const startedMs = performance.now();
  for (let elapsedMs = 0; elapsedMs < ms; elapsedMs = performance.now() - startedMs) {
    while (asked.length < (elapsedMs * perSecond) / 1000) asked.push(one(asked.length));
    await delay(TICK_MS);
  }
  await Promise.all(asked);
  const seconds = (performance.now() - startedMs) / 1000;
  const sorted = takenMs.toSorted((a, b) => a - b);
  const { median, high } = spreadOf(sorted, 2);
  return {
    per_second: rounded(asked.length / seconds, 1),
    p50_ms: median,
    p99_ms: rounded(sorted[Math.ceil(0.99 * sorted.length) - 1] ?? Number.NaN, 2),
    max_ms: high,
    cpu_share: rounded(((await cpuSecondsOf(program)) - beganCpu) / seconds, 3),
  };
}
