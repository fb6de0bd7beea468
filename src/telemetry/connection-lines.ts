import type { ChunkPool } from './chunk-pool.ts';
import type { Measure } from '../connections/measure.ts';
import { ownAttributes, toHrTime } from './connection-point.ts';
import type { LabelPart, LabelParts } from './label-parts.ts';
import type { SignalColumns } from './signal-columns.ts';

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
  readonly valueOf: (row: number) => number;
  /** Name of a second sample behind each, with the start time of its series. */
  readonly createdName: string | undefined;
}

/** The lines of these families, in pieces, each in a chunk of the pool: some 0.5 ms of work. */
export function* encodeFamilies(
  families: readonly Family[],
  { labels, pool }: { readonly labels: LabelParts; readonly pool: ChunkPool },
): Generator<Uint8Array, void> {
  const output = new Output(pool);
  /** By place of the series: a line asks for no more than that. */
  const partsAt: (readonly LabelPart[])[] = [];
  for (const { metadata, sampleName, columns, valueOf, createdName } of families) {
    const full = output.text(metadata);
    if (full !== undefined) yield full;
    const sample = new SampleName(sampleName);
    const created = createdName === undefined ? undefined : new SampleName(createdName);
    for (let row = 0; row < columns.rows; row++) {
      const measure = columns.measure(row);
      const parts = (partsAt[columns.seriesAt[row]!] ??= labels.of(columns.seriesOf(row).labels));
      const piece = output.line(sample, parts, measure, valueOf(row));
      if (piece !== undefined) yield piece;
      if (created === undefined) continue;
      const start = startSeconds(columns.seriesOf(row).startTimeMs);
      const other = output.line(created, parts, measure, start);
      if (other !== undefined) yield other;
    }
  }
  labels.turn();
  yield output.end();
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

/** Lines of samples, one behind the other. A piece that is full is returned when the next one begins. */
class Output {
  readonly #pool: ChunkPool;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  text(text: string): Uint8Array | undefined {
    const bytes = Buffer.from(text);
    const full = this.#reserve(bytes.length);
    this.#put(bytes);
    return full;
  }

  line(
    name: SampleName,
    parts: readonly LabelPart[],
    measure: Measure,
    value: number | string,
  ): Uint8Array | undefined {
    if (parts.length === 0) return this.text(`${name.bare(measure)}${value}\n`);
    const { opening } = name;
    const ending = name.ending(measure);
    let bytesMax = opening.length + ending.length + VALUE_BYTES_MAX;
    for (const part of parts) bytesMax += part.bytes.length;
    const full = this.#reserve(bytesMax);
    this.#put(opening);
    for (const part of parts) this.#put(part.bytes);
    this.#put(ending);
    const isDigit = typeof value === 'number' && value < 10 && Number.isInteger(value);
    if (isDigit) this.#chunk[this.#at++] = ASCII_ZERO + value;
    else this.#at += this.#chunk.write(String(value), this.#at, 'latin1');
    this.#chunk[this.#at++] = ASCII_NEWLINE;
    return full;
  }

  end(): Uint8Array {
    return this.#chunk.subarray(0, this.#at);
  }

  #reserve(bytes: number): Uint8Array | undefined {
    if (this.#at + bytes <= this.#chunk.length) return undefined;
    const full = this.#at === 0 ? undefined : this.end();
    this.#chunk = this.#pool.take(bytes);
    this.#at = 0;
    return full;
  }

  #put(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}
