/**
 * Loaded before a program that is profiled, in each of its threads. SIGUSR2 begins a profile of all of
 * them, the next one ends it: each thread then writes a .cpuprofile of its own.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

/** How the files of a program begin; it has one worker at most. */
const prefix = process.env['KHAN_BENCH_PROFILE'];
/** Whether the profile begins with the program. */
const isFromStart = process.env['KHAN_BENCH_PROFILE_FROM_START'] === '1';
const SAMPLE_US = 250;

if (prefix !== undefined) {
  // Code that is optimized before the profile begins would not tell which function was inlined.
  setFlagsFromString('--detailed-line-info');
  setFlagsFromString('--no-enable-lazy-source-positions');
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
  let isProfiling = isFromStart;
  if (isFromStart) await session.post('Profiler.start');

  const toggle = async (): Promise<void> => {
    isProfiling = !isProfiling;
    if (isProfiling) return session.post('Profiler.start');
    const { profile } = await session.post('Profiler.stop');
    const path = `${prefix}-${isMainThread ? 'main' : 'worker'}.cpuprofile`;
    writeFileSync(`${path}.part`, JSON.stringify(profile));
    // Whoever waits for the file finds all of it.
    renameSync(`${path}.part`, path);
  };
  const channel = new BroadcastChannel('khan-bench-profile');
  channel.unref();
  if (isMainThread) {
    process.on('SIGUSR2', () => {
      channel.postMessage('toggle');
      void toggle();
    });
  } else channel.addEventListener('message', () => void toggle());
}
