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
  readonly names: 'khan' | 'standard';
  /** Percentage of the counters that grow between two pushes. */
  readonly changing: number;
  readonly collector: 'well' | 'away' | 'silent';
}

/** One line of the result: `ms` and `cpu_ms` are medians over the pushes, as are bytes and requests. */
export interface OtlpResult extends Way {
  readonly scenario: string;
  readonly series: number;
  readonly ms: number;
  readonly cpu_ms: number;
  readonly requests: number;
  readonly wire_mb: number;
  readonly block_ms: number;
  /** The same in CPU time: median, the longest of all pushes, and of the first one before them. */
  readonly block_cpu_ms: number;
  readonly block_cpu_max_ms: number;
  readonly first_block_cpu_ms: number;
  readonly rss_before_mb: number;
  readonly rss_peak_mb: number;
  /** Heap and buffers after a collection of garbage: halfway and at the end. */
  readonly retained_half_mb: number;
  readonly retained_end_mb: number;
}

/** The port of discard, where nobody listens. */
const NOBODY = 'http://127.0.0.1:9';

const PUSH = fileURLToPath(new URL('./otlp-push.ts', import.meta.url));

const PROTOCOLS = ['http/json', 'http/protobuf'] as const;
const WAYS: readonly Omit<Way, 'protocol' | 'collector'>[] = [
  { exporter: 'stock', temporality: 'cumulative', names: 'khan', changing: 100 },
  { exporter: 'khan', temporality: 'cumulative', names: 'khan', changing: 100 },
  { exporter: 'khan', temporality: 'cumulative', names: 'standard', changing: 100 },
  { exporter: 'khan', temporality: 'delta', names: 'khan', changing: 100 },
  { exporter: 'khan', temporality: 'delta', names: 'khan', changing: 5 },
];

/** Of the attribute sets, between two pushes, while the collector is not well. */
const CHURN_PERCENT = 20;
const UNWELL_ROUNDS = 60;
const UNWELL_TIMEOUT_MS = 50;

/**
 * Pushes of the connection metrics to a collector that reads and throws away, gzipped: khan's way
 * beside the SDK's exporter as it is without batches. And pushes of series that come and go, to a
 * collector that is not there, and to one that does not answer in time.
 */
export async function benchOtlp({ series, rounds }: Size): Promise<OtlpResult[]> {
  await using sink = await Sink.create();
  const results: OtlpResult[] = [];
  for (const protocol of PROTOCOLS) {
    for (const way of WAYS)
      results.push(
        await measure({ ...way, protocol, collector: 'well' }, sink, { series, rounds }),
      );
  }
  for (const collector of ['away', 'silent'] as const) {
    const way = {
      exporter: 'khan',
      protocol: 'http/json',
      temporality: 'delta',
      names: 'khan',
    } as const;
    const size = { series, rounds: UNWELL_ROUNDS };
    results.push(await measure({ ...way, changing: 100, collector }, sink, size));
  }
  return results;
}

async function measure(way: Way, sink: Sink, { series, rounds }: Size): Promise<OtlpResult> {
  sink.reset(way.collector);
  const isWell = way.collector === 'well';
  const output = await runCommand(
    [
      'env',
      `OTEL_EXPORTER_OTLP_ENDPOINT=${way.collector === 'away' ? NOBODY : sink.url}`,
      'OTEL_EXPORTER_OTLP_COMPRESSION=gzip',
    ]
      .concat([`OTEL_EXPORTER_OTLP_PROTOCOL=${way.protocol}`, 'OTEL_METRIC_EXPORT_INTERVAL=600000'])
      .concat(isWell ? [] : [`OTEL_EXPORTER_OTLP_TIMEOUT=${UNWELL_TIMEOUT_MS}`])
      .concat(`OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=${way.temporality}`)
      .concat([
        process.execPath,
        '--expose-gc',
        PUSH,
        '--exporter',
        way.exporter,
        '--otlp-names',
        way.names,
        '--series',
        String(series),
      ])
      .concat(['--rounds', String(rounds), '--changing', String(way.changing)])
      .concat(['--churn', String(isWell ? 0 : CHURN_PERCENT)]),
  );
  const { samples, pushes, first_block_cpu_ms, retained_mb, rss_before_mb, rss_peak_mb }: Output =
    JSON.parse(output);
  return {
    scenario: 'otlp',
    ...way,
    series,
    ms: rounded(median(samples.map(({ ms }) => ms))),
    cpu_ms: rounded(median(samples.map(({ cpu_ms }) => cpu_ms))),
    requests: rounded(sink.requests / pushes),
    wire_mb: rounded(sink.bytes / pushes / 1e6),
    block_ms: rounded(median(samples.map(({ block_ms }) => block_ms))),
    block_cpu_ms: rounded(median(samples.map(({ block_cpu_ms }) => block_cpu_ms))),
    block_cpu_max_ms: rounded(Math.max(...samples.map(({ block_cpu_ms }) => block_cpu_ms))),
    first_block_cpu_ms: rounded(first_block_cpu_ms),
    rss_before_mb: rounded(rss_before_mb),
    rss_peak_mb: rounded(rss_peak_mb),
    retained_half_mb: rounded(retained_mb[0]!),
    retained_end_mb: rounded(retained_mb.at(-1)!),
  };
}

interface Output {
  readonly samples: readonly {
    readonly ms: number;
    readonly cpu_ms: number;
    readonly block_ms: number;
    readonly block_cpu_ms: number;
  }[];
  readonly retained_mb: readonly number[];
  readonly first_block_cpu_ms: number;
  readonly pushes: number;
  readonly rss_before_mb: number;
  readonly rss_peak_mb: number;
}

/** A collector that accepts everything and reads nothing but its length. */
class Sink implements AsyncDisposable {
  requests = 0;
  bytes = 0;
  #isAnswering = true;
  readonly #server = createServer((request, response) => {
    this.requests += 1;
    request.on('data', (chunk: Buffer) => (this.bytes += chunk.length));
    request.on('end', () => {
      if (this.#isAnswering) response.end();
    });
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

  reset(collector: Way['collector']): void {
    this.#isAnswering = collector !== 'silent';
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
