import type { Measure } from './measure.ts';

/**
 * Lists of measures that series have in common, by the list they go on from. There are as many as there
 * are ways to come by measures, which is without end: what is above the limit is not shared.
 */
export class MeasureLists {
  readonly #listsMax: number;
  readonly #longer = new WeakMap<readonly Measure[], Map<Measure, readonly Measure[]>>();
  #size = 0;

  constructor({ listsMax }: { readonly listsMax: number }) {
    this.#listsMax = listsMax;
  }

  /** Lists that are shared. */
  get size(): number {
    return this.#size;
  }

  /** The same list for all that have come by the same measures in the same order, or one of its own. */
  with(measures: readonly Measure[], measure: Measure): readonly Measure[] {
    const next = this.#longer.get(measures);
    const known = next?.get(measure);
    if (known !== undefined) return known;
    const longer = measures.concat(measure);
    if (this.#size === this.#listsMax) return longer;
    this.#size++;
    if (next === undefined) this.#longer.set(measures, new Map([[measure, longer]]));
    else next.set(measure, longer);
    return longer;
  }
}
