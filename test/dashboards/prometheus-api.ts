/** What Prometheus answers; an error is thrown with its own words. */

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Time in seconds and value, by time. */
  readonly points: readonly (readonly [time: number, value: number])[];
}

interface Answer {
  readonly error?: string;
  readonly data?: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value?: readonly [number, string];
      readonly values?: readonly (readonly [number, string])[];
    }[];
  };
}

export interface TimeRange {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

const ANSWER_MS_MAX = 10_000;

export class PrometheusApi {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async now(query: string): Promise<readonly Series[]> {
    return this.#ask('query', { query });
  }

  async over(query: string, { start, end, step }: TimeRange): Promise<readonly Series[]> {
    const range = { start: String(start), end: String(end), step: String(step) };
    return this.#ask('query_range', { query, ...range });
  }

  async #ask(path: string, parameters: Record<string, string>): Promise<readonly Series[]> {
    const url = new URL(`/api/v1/${path}`, this.#url);
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(parameters),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const { data, error }: Answer = JSON.parse(await response.text());
    if (data === undefined) throw new Error(`Cannot query ${parameters['query']}: ${error}`);
    return data.result.map(({ metric, value, values = [] }) => {
      const points = value === undefined ? values : [value];
      return {
        labels: metric,
        points: points.map(([time, text]) => [time, Number(text)] as const),
      };
    });
  }
}
