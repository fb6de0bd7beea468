import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Measured } from './page-server.ts';
import { medianOf, rounded, tell, type Told } from './spread.ts';

interface Size {
  readonly series: number;
  readonly rounds: number;
}

/**
 * One line of the result: medians over the scrapes, but for the peak of memory. `ms` runs from the
 * request to the last byte read; `times_faster` is the stock exporter's median of `made_ms` by its own.
 */
export interface PageResult extends Measured, Told<'made_ms' | 'cpu_ms' | 'times_faster' | 'ms'> {
  readonly scenario: string;
  readonly by: string;
  readonly samples: number;
  readonly format: string;
  readonly encoding: string;
  readonly wire_mb: number;
  /** The peak of memory after all scrapes against that after half of them. */
  readonly rss_growth: number;
}

interface Way {
  readonly by: 'khan' | 'stock' | 'prom-client';
  readonly format: 'text' | 'openmetrics';
  readonly encoding: 'identity' | 'gzip';
}

const WAYS: readonly Way[] = [
  { by: 'stock', format: 'text', encoding: 'identity' },
  { by: 'prom-client', format: 'text', encoding: 'identity' },
  { by: 'khan', format: 'text', encoding: 'identity' },
  { by: 'khan', format: 'text', encoding: 'gzip' },
  { by: 'khan', format: 'openmetrics', encoding: 'gzip' },
];
const ACCEPT = {
  text: 'text/plain; version=0.0.4',
  openmetrics: 'application/openmetrics-text; version=1.0.0',
};
const WARM_UP_ROUNDS = 2;
const SERVER = fileURLToPath(new URL('./page-server.ts', import.meta.url));

/** Scrapes over loopback of the same samples: khan's page, the stock exporter's, and prom-client's. */
export async function benchPage({ series, rounds }: Size): Promise<PageResult[]> {
  const results: PageResult[] = [];
  let stockMs = Number.NaN;
  for (const way of WAYS) {
    const server = await PageServer.start(way, series);
    try {
      const samples: Awaited<ReturnType<PageServer['scrape']>>[] = [];
      for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
        const sample = await server.scrape();
        if (round >= 0) samples.push(sample);
      }
      const of = (name: keyof (typeof samples)[number]) => samples.map((sample) => sample[name]);
      if (way.by === 'stock') stockMs = medianOf(of('made_ms'));
      results.push({
        scenario: 'page',
        ...way,
        samples: series,
        ...tell(
          {
            made_ms: of('made_ms'),
            times_faster: of('made_ms').map((ms) => stockMs / ms),
            ms: of('ms'),
            cpu_ms: of('cpu_ms'),
          },
          1,
        ),
        block_ms: medianOf(of('block_ms'), 1),
        wire_mb: rounded(medianOf(of('bytes')) / 1e6, 1),
        rss_growth: rounded(of('rss_peak_mb').at(-1)! / of('rss_peak_mb')[rounds >> 1]!, 3),
        rss_peak_mb: rounded(Math.max(...of('rss_peak_mb')), 1),
      });
    } finally {
      server.stop();
    }
  }
  return results;
}

export class PageServer {
  readonly child: ChildProcess;
  readonly #port: number;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(child: ChildProcess, port: number, { format, encoding }: Way) {
    this.child = child;
    this.#port = port;
    this.#headers = { accept: ACCEPT[format], 'accept-encoding': encoding };
  }

  static async start(
    way: Way,
    series: number,
    env: Readonly<Record<string, string>> = {},
  ): Promise<PageServer> {
    const argv = ['--by', way.by, '--series', String(series)];
    const child = fork(SERVER, argv, { env: { ...process.env, ...env } });
    const [{ port }] = await once(child, 'message');
    return new PageServer(child, port, way);
  }

  async scrape(): Promise<Measured & { readonly ms: number; readonly bytes: number }> {
    await this.#ask('next');
    const began = performance.now();
    const bytes = await this.#read();
    const ms = performance.now() - began;
    const measured = await this.#ask('measure');
    return { ...measured, ms, bytes };
  }

  stop(): void {
    this.child.kill();
  }

  async #read(): Promise<number> {
    const request = get({ host: '127.0.0.1', port: this.#port, headers: this.#headers });
    const [response]: IncomingMessage[] = await once(request, 'response');
    let bytes = 0;
    for await (const chunk of response!) bytes += chunk.length;
    return bytes;
  }

  async #ask(wish: 'next' | 'measure'): Promise<Measured> {
    this.child.send(wish);
    const [answer] = await once(this.child, 'message');
    return answer;
  }
}
