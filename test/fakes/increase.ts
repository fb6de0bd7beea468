import { parsePage } from '../../src/telemetry/samples.ts';

/**
 * What increase() of Prometheus makes of the pages that one scraper gets: nothing of the first sample of a
 * series, and of a value that fell all of it, for that is a counter which began anew.
 */
export class Increase {
  readonly #metric: string;
  readonly #last = new Map<string, number>();
  /** Over all series. */
  sum = 0;
  /** Times that a counter fell. */
  resets = 0;

  constructor(metric: string) {
    this.#metric = metric;
  }

  scrape(page: string): void {
    for (const { name, labels, value } of parsePage(page)) {
      if (name !== this.#metric) continue;
      const key = JSON.stringify(labels);
      const last = this.#last.get(key) ?? value;
      this.#last.set(key, value);
      if (value < last) this.resets++;
      this.sum += value < last ? value : value - last;
    }
  }
}
