/** What a scraper makes of the pages: increases, as Prometheus counts them, and gauges as they are. */
import { hash } from 'node:crypto';

export interface ScrapedSums {
  readonly opened: number;
  readonly closed: number;
  /** On the last page. */
  readonly active: number;
  readonly entries: number;
  readonly series: number;
  readonly overflowEdges: number;
  /** Seconds, as in force. */
  readonly poll: number;
}

/** Reads OpenMetrics pages of one agent, one after the other. */
export class SoakScraper {
  readonly #url: string;
  readonly #headers = {
    'user-agent': 'soak-prometheus',
    accept: 'application/openmetrics-text; version=1.0.0',
  };
  /** By a digest of name and labels: the texts would keep the pages they are cut from. */
  #values = new Map<string, number>();
  readonly #increase = { khan_connection_total: 0, khan_connection_closed_total: 0 };
  #gauges = { active: 0, entries: 0, series: 0, overflowEdges: 0, poll: 0 };

  constructor(url: string) {
    this.#url = url;
  }

  get sums(): ScrapedSums {
    return {
      opened: this.#increase.khan_connection_total,
      closed: this.#increase.khan_connection_closed_total,
      ...this.#gauges,
    };
  }

  async scrape(): Promise<ScrapedSums> {
    const response = await fetch(this.#url, { headers: this.#headers });
    const page = await response.text();
    if (!response.ok || !page.endsWith('\n'))
      throw new Error(`Cannot scrape: status ${response.status}, ${page.length} characters`);
    this.#take(page);
    return this.sums;
  }

  #take(page: string): void {
    const values = new Map<string, number>();
    const gauges = { active: 0, entries: 0, series: 0, overflowEdges: 0, poll: 0 };
    for (let start = 0, end: number; start < page.length; start = end + 1) {
      end = page.indexOf('\n', start);
      if (!page.startsWith('khan_', start)) continue;
      const nameEnd = start + page.slice(start, end).search(/[{ ]/);
      const name = page.slice(start, nameEnd);
      const valueAt = page.indexOf(' ', Math.max(nameEnd, page.lastIndexOf('}', end)));
      const value = Number(page.slice(valueAt + 1, end).split(' ', 1)[0]);
      if (name === 'khan_connection_total' || name === 'khan_connection_closed_total') {
        const key = hash('md5', page.slice(start, valueAt), 'base64');
        const before = this.#values.get(key) ?? 0;
        // A series that was not there began at 0; one that has fallen began anew.
        this.#increase[name] += value >= before ? value - before : value;
        values.set(key, value);
      } else if (name === 'khan_connection_active') gauges.active += value;
      else if (name === 'khan_conntrack_entries') gauges.entries = value;
      else if (name === 'khan_agent_series') gauges.series = value;
      else if (name === 'khan_agent_overflow_edges') gauges.overflowEdges = value;
      else if (name === 'khan_agent_poll_interval_seconds') gauges.poll = value;
    }
    this.#values = values;
    this.#gauges = gauges;
  }
}
