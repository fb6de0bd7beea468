import { fileURLToPath } from 'node:url';
import { runCommand } from '../../src/demo/command.ts';
import { Sink } from './sink.ts';
import { medianOf, rounded, tell, type Told } from './spread.ts';

interface Size {
  readonly series: number;
  readonly rounds: number;
  /** Pushes to a collector that is not well. */
  readonly 'unwell-rounds': number;
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

/**
 * One line of the result: `ms` and `cpu_ms` are medians over the pushes, as are bytes and requests.
 * `ratio` is `cpu_ms` against the median of the SDK's exporter of the same protocol.
 */
export interface OtlpResult extends Way, Told<'ms' | 'cpu_ms' | 'ratio'> {
  readonly scenario: string;
  readonly series: number;
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
const UNWELL_TIMEOUT_MS = 50;

/**
 * Pushes of the connection metrics to a collector that reads and throws away, gzipped: khan's way
 * beside the SDK's exporter as it is without batches. And pushes of series that come and go, to a
 * collector that is not there, and to one that does not answer in time.
 */
export async function benchOtlp({
  series,
  rounds,
  'unwell-rounds': unwellRounds,
}: Size): Promise<OtlpResult[]> {
  await using sink = await Sink.create();
  const results: OtlpResult[] = [];
  let stockCpuMs = Number.NaN;
  const measure = async (way: Way, pushes: number) => {
    const output = await push(way, sink, { series, rounds: pushes });
    const cpuMs = output.samples.map(({ cpu_ms }) => cpu_ms);
    if (way.exporter === 'stock') stockCpuMs = medianOf(cpuMs);
    results.push(resultOf(way, output, { series, sink, stockCpuMs }));
  };
  for (const protocol of PROTOCOLS) {
    for (const way of WAYS) await measure({ ...way, protocol, collector: 'well' }, rounds);
  }
  for (const collector of ['away', 'silent'] as const) {
    const way = { exporter: 'khan', protocol: 'http/json', temporality: 'delta' } as const;
    stockCpuMs = Number.NaN;
    await measure({ ...way, names: 'khan', changing: 100, collector }, unwellRounds);
  }
  return results;
}

async function push(
  way: Way,
  sink: Sink,
  { series, rounds }: Pick<Size, 'series' | 'rounds'>,
): Promise<Output> {
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
      .concat([process.execPath, '--expose-gc', PUSH, '--exporter', way.exporter])
      .concat(['--otlp-names', way.names, '--series', String(series)])
      .concat(['--rounds', String(rounds), '--changing', String(way.changing)])
      .concat(['--churn', String(isWell ? 0 : CHURN_PERCENT)]),
  );
  return JSON.parse(output);
}

function resultOf(
  way: Way,
  output: Output,
  {
    series,
    sink,
    stockCpuMs,
  }: { readonly series: number; readonly sink: Sink; readonly stockCpuMs: number },
): OtlpResult {
  const { samples, pushes, first_block_cpu_ms, retained_mb, rss_before_mb, rss_peak_mb } = output;
  const of = (name: keyof Output['samples'][number]) => samples.map((sample) => sample[name]);
  return {
    scenario: 'otlp',
    ...way,
    series,
    ...tell({ ms: of('ms'), cpu_ms: of('cpu_ms') }, 1),
    ...tell({ ratio: of('cpu_ms').map((ms) => ms / stockCpuMs) }),
    requests: rounded(sink.requests / pushes, 1),
    wire_mb: rounded(sink.bytes / pushes / 1e6, 1),
    block_ms: medianOf(of('block_ms'), 1),
    block_cpu_ms: medianOf(of('block_cpu_ms'), 1),
    block_cpu_max_ms: rounded(Math.max(...of('block_cpu_ms')), 1),
    first_block_cpu_ms: rounded(first_block_cpu_ms, 1),
    rss_before_mb: rounded(rss_before_mb, 1),
    rss_peak_mb: rounded(rss_peak_mb, 1),
    retained_half_mb: rounded(retained_mb[0]!, 1),
    retained_end_mb: rounded(retained_mb.at(-1)!, 1),
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
