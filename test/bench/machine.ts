import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { workingTree } from './revision.ts';

/** One sentence: on what, with what and when it was measured. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'an unknown processor';
  const memoryGb = Math.round(totalmem() / 1e9);
  const date = new Date().toISOString().slice(0, 10);
  return (
    `${availableParallelism()} cores of ${model}, ${memoryGb} GB, Linux ${release()}, ` +
    `Node ${process.version}, ${date}, revision ${workingTree().name}.`
  );
}
