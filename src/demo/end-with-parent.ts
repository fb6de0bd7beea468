/**
 * Loaded before a program that the demo starts: when the demo ends, however it ends, the kernel
 * closes the IPC channel between the two, and the program ends as well.
 */
import { isMainThread } from 'node:worker_threads';

// Worker threads load this too, and have no channel.
if (isMainThread) {
  process.once('disconnect', () => process.exit());
  if (!process.connected) process.exit();
  // The channel alone must not keep a program running that is done.
  process.channel?.unref();
}
