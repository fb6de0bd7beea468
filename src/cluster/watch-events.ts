import { isRecord } from '../inventory/schema.ts';
import { ApiError } from './api-connection.ts';

/** etcd takes objects of 1.5 MiB, and JSON may be several times as long as what is stored. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

const NEWLINE = 0x0a;

/** What the API server sent in a watch is no event. */
export class MalformedEvent extends Error {
  override readonly name = 'MalformedEvent';
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

const TYPES: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

/**
 * The events of a watch, one JSON object a line. Throws an {@link ApiError} for an ERROR event, and a
 * {@link MalformedEvent} for everything that is none, half a line at the end included.
 */
export async function* watchEvents(body: AsyncIterable<Buffer>): AsyncGenerator<WatchEvent> {
  for await (const line of linesOf(body)) yield parseEvent(line);
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let start = 0;
    let end = chunk.indexOf(NEWLINE);
    while (end >= 0) {
      const rest = chunk.subarray(start, end);
      const line = parts.length === 0 ? rest : Buffer.concat([...parts, rest]);
      parts = [];
      bytes = 0;
      if (line.length > 0) yield line.toString('utf8');
      start = end + 1;
      end = chunk.indexOf(NEWLINE, start);
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > LINE_BYTES_MAX) {
      throw new MalformedEvent(`Cannot read a watch: a line of more than ${LINE_BYTES_MAX} bytes`);
    }
  }
  if (bytes > 0) throw new MalformedEvent('Cannot read a watch: it ended within a line');
}

function parseEvent(line: string): WatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new MalformedEvent('Cannot read a watch: a line is not JSON', { cause });
  }
  if (!isRecord(event)) throw new MalformedEvent('Cannot read a watch: a line is no object');
  const { type, object } = event;
  if (type === 'ERROR') throw errorOf(object);
  if (isEventType(type) && isRecord(object)) return { type, object };
  throw new MalformedEvent(`Cannot read a watch: an event of type ${JSON.stringify(type)}`);
}

function isEventType(type: unknown): type is WatchEvent['type'] {
  return TYPES.has(type);
}

/** Of a Status object. */
function errorOf(object: unknown): ApiError {
  const { code, message } = isRecord(object) ? object : {};
  const status = typeof code === 'number' ? code : 500;
  return new ApiError(`watch: ${status} ${typeof message === 'string' ? message : ''}`, { status });
}
