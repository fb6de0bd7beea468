import { setImmediate as pause } from 'node:timers/promises';
import type { ConnectionPoint } from './connection-point.ts';
import type { LabelPart, LabelParts } from './label-parts.ts';
import { ATTRIBUTE } from './names.ts';

/** Lines between two pauses: some 5 ms. */
const SLICE_LINES = 20_000;
const CHUNK_BYTES = 256 * 1024;
/** Of a whole number, or of a time in seconds with milliseconds. */
const VALUE_BYTES_MAX = 24;

// ASCII
const OPENING_BRACE = 0x7b;
const COMMA = 0x2c;
const CLOSING_BRACE = 0x7d;
const SPACE = 0x20;
const NEWLINE = 0x0a;

/** One metric of the connection metrics, as the page has it. */
export interface Family {
  /** HELP, TYPE and what else comes before its samples. */
  readonly metadata: string;
  readonly sampleName: string;
  readonly points: readonly ConnectionPoint[];
  readonly valueOf: (point: ConnectionPoint) => number;
  /** Name of a second sample behind each, with the start time of its series. */
  readonly createdName: string | undefined;
}

/**
 * The bytes of these families, in chunks. It leaves the thread to others now and then, and still shows
 * all values as they were when it began.
 */
export async function encodeFamilies(
  families: readonly Family[],
  labels: LabelParts,
): Promise<readonly Uint8Array[]> {
  const taken = families.map((family) => ({
    ...family,
    values: Float64Array.from(family.points, family.valueOf),
  }));
  const output = new Output();
  for (const { metadata, sampleName, points, createdName, values } of taken) {
    output.text(metadata);
    const sample = Buffer.from(sampleName);
    const created = createdName === undefined ? undefined : Buffer.from(createdName);
    for (const [at, point] of points.entries()) {
      const parts = labels.of(point.series);
      const state = point.state === undefined ? undefined : stateLabel(point.state);
      output.line(sample, parts, state, String(values[at]!));
      if (created !== undefined) output.line(created, parts, state, startSeconds(point));
      if (at % SLICE_LINES === SLICE_LINES - 1) await pause();
    }
  }
  labels.turn();
  return output.end();
}

const stateLabels = new Map<string, Uint8Array>();

/** There are some twenty states. */
function stateLabel(state: string): Uint8Array {
  const known = stateLabels.get(state);
  if (known !== undefined) return known;
  const label = Buffer.from(`${ATTRIBUTE.state}="${state}"`);
  stateLabels.set(state, label);
  return label;
}

function startSeconds({ startTime: [seconds, nanoseconds] }: ConnectionPoint): string {
  return `${seconds}.${String(Math.trunc(nanoseconds / 1e6)).padStart(3, '0')}`;
}

/** Lines of samples, one behind the other, in chunks that are made as they are needed. */
class Output {
  readonly #chunks: Uint8Array[] = [];
  #chunk = Buffer.alloc(0);
  #at = 0;

  text(text: string): void {
    const bytes = Buffer.from(text);
    this.#reserve(bytes.length);
    this.#put(bytes);
  }

  line(
    name: Uint8Array,
    parts: readonly LabelPart[],
    state: Uint8Array | undefined,
    value: string,
  ): void {
    let bytesMax = name.length + (state?.length ?? 0) + VALUE_BYTES_MAX;
    for (const part of parts) bytesMax += part.bytes.length + 1;
    this.#reserve(bytesMax);
    this.#put(name);
    let separator = OPENING_BRACE;
    for (const part of parts) {
      this.#chunk[this.#at++] = separator;
      this.#put(part.bytes);
      separator = COMMA;
    }
    if (state !== undefined) {
      this.#chunk[this.#at++] = separator;
      this.#put(state);
      separator = COMMA;
    }
    if (separator === COMMA) this.#chunk[this.#at++] = CLOSING_BRACE;
    this.#chunk[this.#at++] = SPACE;
    this.#at += this.#chunk.write(value, this.#at, 'latin1');
    this.#chunk[this.#at++] = NEWLINE;
  }

  end(): readonly Uint8Array[] {
    this.#chunks.push(this.#chunk.subarray(0, this.#at));
    return this.#chunks;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return;
    this.#chunks.push(this.#chunk.subarray(0, this.#at));
    this.#chunk = Buffer.allocUnsafe(Math.max(bytes, CHUNK_BYTES));
    this.#at = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
