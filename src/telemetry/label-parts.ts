import type { Attributes } from '@opentelemetry/api';
import { ATTRIBUTE } from './names.ts';

/** Some labels that follow each other, as bytes of the page: `,dst_type="pod",dst_ip="10.1.0.11"`. */
export interface LabelPart {
  readonly bytes: Uint8Array;
  /** The last page that it was on. */
  page: number;
}

/**
 * The labels of all series on the Prometheus page, in parts that many series share: those of the source,
 * those of the destination, and the rest. Memory grows with endpoints, and a line is put together by
 * copying three or four parts; a text for each series would take ten times the memory, and making it
 * anew for each page a hundred times the time (docs/performance.md).
 */
export class LabelParts {
  readonly #parts = new Map<string, LabelPart>();
  /** By the labels of a series, and gone with them. */
  readonly #partsOf = new WeakMap<Attributes, readonly LabelPart[]>();
  #page = 0;

  get size(): number {
    return this.#parts.size;
  }

  /** The parts of a series, in the order of its attributes; noted as being on this page. */
  of(attributes: Attributes): readonly LabelPart[] {
    let parts = this.#partsOf.get(attributes);
    if (parts === undefined) {
      parts = this.#make(attributes);
      this.#partsOf.set(attributes, parts);
    }
    for (const part of parts) part.page = this.#page;
    return parts;
  }

  /** A page has been made: what was on no page since the last one is forgotten. */
  turn(): void {
    for (const [text, part] of this.#parts) {
      if (part.page < this.#page) this.#parts.delete(text);
    }
    this.#page++;
  }

  #make(attributes: Attributes): readonly LabelPart[] {
    const texts: string[] = [];
    let last: string | undefined;
    let separator = '';
    for (const [name, value] of Object.entries(attributes)) {
      const label = `${separator}${labelName(name)}="${escapeLabelValue(value)}"`;
      const end = endOf(name);
      if (end === last) texts[texts.length - 1] += label;
      else texts.push(label);
      last = end;
      separator = ',';
    }
    return texts.map((text) => this.#part(text));
  }

  #part(text: string): LabelPart {
    const known = this.#parts.get(text);
    if (known !== undefined) return known;
    const part = { bytes: Buffer.from(text), page: this.#page };
    this.#parts.set(text, part);
    return part;
  }
}

/**
 * Which end of a connection an attribute tells of. The port belongs to the rest, of which there is
 * little; the node is one and the same, and stands before the source.
 */
function endOf(name: string): string {
  if (name === ATTRIBUTE.node) return 'src';
  return /^(?:src|dst(?!_port$))(?=_)/.exec(name)?.[0] ?? '';
}

/** As the stock serialiser does it. */
function labelName(name: string): string {
  return name.replaceAll(/[^a-z0-9_]/gi, '_').replaceAll(/_{2,}/g, '_');
}

/** Prometheus exposition formats, "Text-based format": three characters are escaped in label values. */
export function escapeLabelValue(value: Attributes[string]): string {
  return String(value).replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}
