import { faultsOf, type Schema } from '../inventory/schema.ts';
import { UnusableState, type StateBlock } from './state-file.ts';

/** Of a block: less than a millisecond of work. Larger ones stay in memory for longer, twice. */
const CHUNK_CHARACTERS = 32 * 1024;

/** Records as lines of JSON, in blocks of the file between which the caller may pause. */
export function* blocksOf(
  name: string,
  records: Iterable<object>,
): Generator<{ readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
  let lines = '';
  for (const record of records) {
    lines += `${JSON.stringify(record)}\n`;
    if (lines.length < CHUNK_CHARACTERS) continue;
    yield { name, bytes: encoded(lines) };
    lines = '';
  }
  if (lines !== '') yield { name, bytes: encoded(lines) };
}

/** The records of all blocks of this name. Throws an UnusableState where one is not of the schema. */
export function recordsOf<Record>(
  blocks: readonly StateBlock[],
  { name, schema }: RecordKind<Record>,
): Record[] {
  return blocks
    .filter((block) => block.name === name)
    .flatMap(({ bytes }) => Buffer.from(bytes).toString().split('\n').slice(0, -1))
    .map((line) => {
      const record = parsed(line);
      const [fault] = faultsOf(schema, record, name);
      if (fault !== undefined) throw new UnusableState(`it does not hold what it should: ${fault}`);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema has been checked
      return record as Record;
    });
}

export interface RecordKind<Record> {
  readonly name: string;
  readonly schema: Schema;
  /** For the compiler only. */
  readonly record?: Record;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new UnusableState('it does not hold what it should: not JSON', { cause });
  }
}

/** In a buffer of its own, so that it can be given away. */
function encoded(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
