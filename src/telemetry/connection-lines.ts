import { setImmediate as pause } from 'node:timers/promises';
import type { ChunkPool } from './chunk-pool.ts';
import type { Measure } from '../connections/measure.ts';
import { ownAttributes, toHrTime } from './connection-point.ts';
import type { LabelPart, LabelParts } from './label-parts.ts';
import type { SignalColumns } from './signal-columns.ts';

/** Lines between two pauses: some 5 ms. */
const SLICE_LINES = 20_000;
/** Of the longest double. */
const VALUE_BYTES_MAX = 24;
const ASCII_ZERO = 0x30;
const ASCII_NEWLINE = 0x0a;

/** One metric of the connection metrics, as the page has it. */
export interface Family {
  /** HELP, TYPE and what else comes before its samples. */
  readonly metadata: string;
  readonly sampleName: string;
  readonly columns: SignalColumns;
  readonly valueOf: (columns: SignalColumns, row: number) => number;
  /** Name of a second sample behind each, with the start time of its series. */
  readonly createdName: string | undefined;
}

export interface Encoded {
  readonly bytes: readonly Uint8Array[];
  /** Where they are; for the pool, when nobody reads them any more. */
  readonly chunks: readonly Buffer[];
}

/** The bytes of these families. It leaves the thread to others now and then. */
export async function encodeFamilies(
  families: readonly Family[],
  { labels, pool }: { readonly labels: LabelParts; readonly pool: ChunkPool },
): Promise<Encoded> {
  const output = new Output(pool);
  for (const { metadata, sampleName, columns, valueOf, createdName } of families) {
    output.text(metadata);
    const sample = new SampleName(sampleName);
    const created = createdName === undefined ? undefined : new SampleName(createdName);
    for (let row = 0; row < columns.rows; row++) {
      const series = columns.series[row]!;
      const measure = columns.measure(row);
      const parts = labels.of(series.labels);
      output.line(sample, parts, measure, valueOf(columns, row));
      if (created !== undefined) {
        output.line(created, parts, measure, startSeconds(series.startTimeMs));
      }
      if (row % SLICE_LINES === SLICE_LINES - 1) await pause();
    }
  }
  labels.turn();
  return output.end();
}

function startSeconds(epochMs: number): string {
  const [seconds, nanoseconds] = toHrTime(epochMs);
  return `${seconds}.${String(Math.trunc(nanoseconds / 1e6)).padStart(3, '0')}`;
}

/** What stands around the labels of a sample. There are some fifty measures. */
class SampleName {
  readonly #name: string;
  readonly opening: Uint8Array;
  readonly #endings = new Map<Measure, Uint8Array>();

  constructor(name: string) {
    this.#name = name;
    this.opening = Buffer.from(`${name}{`);
  }

  ending(measure: Measure): Uint8Array {
    let ending = this.#endings.get(measure);
    if (ending === undefined) {
      const label = labelOf(measure);
      ending = Buffer.from(label === undefined ? '} ' : `,${label}} `);
      this.#endings.set(measure, ending);
    }
    return ending;
  }

  /** All that comes before the value of a sample without any other label. */
  bare(measure: Measure): string {
    const label = labelOf(measure);
    return `${this.#name}${label === undefined ? '' : `{${label}}`} `;
  }
}

/** Its value needs no escape: it is a word of khan's own. */
function labelOf(measure: Measure): string | undefined {
  const [own] = Object.keys(ownAttributes(measure));
  return own === undefined ? undefined : `${own}="${measure.value}"`;
}

/** Lines of samples, one behind the other, in chunks that are made as they are needed. */
class Output {
  readonly #pool: ChunkPool;
  readonly #bytes: Uint8Array[] = [];
  readonly #chunks: Buffer[] = [];
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  text(text: string): void {
    const bytes = Buffer.from(text);
    this.#reserve(bytes.length);
    this.#put(bytes);
  }

  line(
    name: SampleName,
    parts: readonly LabelPart[],
    measure: Measure,
    value: number | string,
  ): void {
    if (parts.length === 0) {
      this.text(`${name.bare(measure)}${value}\n`);
      return;
    }
    const { opening } = name;
    const ending = name.ending(measure);
    let bytesMax = opening.length + ending.length + VALUE_BYTES_MAX;
    for (const part of parts) bytesMax += part.bytes.length;
    this.#reserve(bytesMax);
    this.#put(opening);
    for (const part of parts) this.#put(part.bytes);
    this.#put(ending);
    const isDigit = typeof value === 'number' && value < 10 && Number.isInteger(value);
    if (isDigit) this.#chunk[this.#at++] = ASCII_ZERO + value;
    else this.#at += this.#chunk.write(String(value), this.#at, 'latin1');
    this.#chunk[this.#at++] = ASCII_NEWLINE;
  }

  end(): Encoded {
    this.#bytes.push(this.#chunk.subarray(0, this.#at));
    return { bytes: this.#bytes, chunks: this.#chunks };
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return;
    this.#bytes.push(this.#chunk.subarray(0, this.#at));
    this.#chunk = this.#pool.take(bytes);
    this.#chunks.push(this.#chunk);
    this.#at = 0;
  }

  #put(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
