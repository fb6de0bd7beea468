import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseState, StateWriter } from '../../src/agent/state-file.ts';

/** Writes the state in a directory again, with another head. */
export function rewriteHead(folder: string, change: (head: object) => object): void {
  const path = join(folder, 'agent.state');
  const blocks = parseState(readFileSync(path));
  using writer = new StateWriter(path);
  for (const { name, bytes } of blocks) {
    if (name !== 'head') writer.block(name, bytes);
    else writer.block(name, headOf(bytes, change));
  }
  writer.commit();
}

function headOf(bytes: Uint8Array, change: (head: object) => object): Buffer {
  const head = change(JSON.parse(Buffer.from(bytes).toString()));
  return Buffer.from(`${JSON.stringify(head)}\n`);
}
