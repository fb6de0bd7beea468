/** Loaded before a program that is measured: tells its parent, when asked, how long its event loop was blocked. */
import { isMainThread } from 'node:worker_threads';
import { LoopBlock } from './loop-block.ts';

if (isMainThread) {
  const block = LoopBlock.watch();
  process.on('message', () => process.send?.(block.take()));
  process.channel?.unref();
}
