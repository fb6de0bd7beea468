import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/demo/command.ts';

interface Size {
  readonly series: number;
  readonly rounds: number;
}

interface Way {
  readonly exporter: 'khan' | 'stock';
  readonly protocol: 'http/json' | 'http/protobuf';
  readonly temporality: 'cumulative' | 'delta';
  /** Percentage of the counters that grow between two pushes. */
  readonly changing: number;
}

/** One line of the result: `ms` and `cpu_ms` are medians over the pushes, as are bytes and requests. */
export interface OtlpResult extends Way {
  readonly scenario: string;
  readonly series: number;
  readonly ms: number;
  readonly cpu_ms: number;
  readonly requests: number;
  readonly wire_mb: number;
  /** Median, and the longest of all pushes. */
  readonly block_ms: number;
  readonly block_max_ms: number;
  readonly rss_before_mb: number;
  readonly rss_peak_mb: number;
}

const PUSH = fileURLToPath(new URL('./otlp-push.ts', import.meta.url));

const PROTOCOLS = ['http/json', 'http/protobuf'] as const;
const WAYS: readonly Omit<Way, 'protocol'>[] = [
  { exporter: 'stock', temporality: 'cumulative', changing: 100 },
  { exporter: 'khan', temporality: 'cumulative', changing: 100 },
  { exporter: 'khan', temporality: 'delta', changing: 100 },
  { exporter: 'khan', temporality: 'delta', changing: 5 },
];

/**
 * Pushes of the connection metrics to a collector that reads and throws away, gzipped: khan's way
 * beside the SDK's exporter as it is without batches.
 */
export async function benchOtlp({ series, rounds }: Size): Promise<OtlpResult[]> {
  await using sink = await Sink.create();
  const results: OtlpResult[] = [];
  for (const protocol of PROTOCOLS) {
    for (const way of WAYS)
      results.push(await measure({ ...way, protocol }, sink, { series, rounds }));
  }
  return results;
}

async function measure(way: Way, sink: Sink, { series, rounds }: Size): Promise<OtlpResult> {
  sink.reset();
  const output = await runCommand(
    ['env', `OTEL_EXPORTER_OTLP_ENDPOINT=${sink.url}`, 'OTEL_EXPORTER_OTLP_COMPRESSION=gzip']
      .concat([`OTEL_EXPORTER_OTLP_PROTOCOL=${way.protocol}`, 'OTEL_METRIC_EXPORT_INTERVAL=600000'])
      .concat(`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=${way.temporality}`)
      .concat([process.execPath, PUSH, '--exporter', way.exporter, '--series', String(series)])
      .concat(['--rounds', String(rounds), '--changing', String(way.changing)]),
  );
  const { samples, pushes, rss_before_mb, rss_peak_mb }: Output = JSON.parse(output);
  return {
    scenario: 'otlp',
    ...way,
    series,
    ms: rounded(median(samples.map(({ ms }) => ms))),
    cpu_ms: rounded(median(samples.map(({ cpu_ms }) => cpu_ms))),
    requests: rounded(sink.requests / pushes),
    wire_mb: rounded(sink.bytes / pushes / 1e6),
    block_ms: rounded(median(samples.map(({ block_ms }) => block_ms))),
    block_max_ms: rounded(Math.max(...samples.map(({ block_ms }) => block_ms))),
    rss_before_mb: rounded(rss_before_mb),
    rss_peak_mb: rounded(rss_peak_mb),
  };
}

interface Output {
  readonly samples: readonly {
    readonly ms: number;
    readonly cpu_ms: number;
    readonly block_ms: number;
  }[];
  readonly pushes: number;
  readonly rss_before_mb: number;
  readonly rss_peak_mb: number;
}

/** A collector that accepts everything and reads nothing but its length. */
class Sink implements AsyncDisposable {
  requests = 0;
  bytes = 0;
  readonly #server = createServer((request, response) => {
    this.requests += 1;
    request.on('data', (chunk: Buffer) => (this.bytes += chunk.length));
    request.on('end', () => response.end());
  });

  static async create(): Promise<Sink> {
    const sink = new Sink();
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port to listen on');
    return `http://127.0.0.1:${address.port}`;
  }

  reset(): void {
    this.requests = 0;
    this.bytes = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
