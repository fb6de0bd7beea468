import type { OtlpResult } from './otlp.ts';
import type { PageResult } from './page.ts';
import { atLeast, atMost, once, type Row } from './row.ts';
import { toldSpread } from './spread.ts';
import { counted, step, type Step } from './suite-step.ts';

const SERIES = 100_000;
/** More than this is not flat. */
const GROWTH_MAX = 1.05;

export function exportSteps(): Step[] {
  return [pageStep(), otlpStep()];
}

function pageStep(): Step {
  const argv = ['--scenario', 'page', '--series', String(SERIES), '--rounds', '7'];
  return step<PageResult>(argv, (lines) => ({ rows: lines.flatMap(pageRows) }));
}

function pageRows(line: PageResult): Row[] {
  const scenario = `scrape, ${counted(line.samples)} samples`;
  const what = [
    line.by === 'stock' ? 'the stock exporter' : line.by,
    ...(line.format === 'openmetrics' ? ['OpenMetrics'] : []),
    ...(line.encoding === 'gzip' ? ['gzip'] : []),
  ].join(', ');
  const faster = toldSpread(line.times_faster, line.times_faster_range);
  const cpu = toldSpread(line.cpu_ms, line.cpu_ms_range);
  const hasBars = line.by === 'khan' && line.encoding === 'identity';
  const rows: Row[] = [
    {
      scenario,
      what: `${what}: made`,
      ratio: faster,
      against: "as fast as the stock exporter's",
      value: toldSpread(line.made_ms, line.made_ms_range),
      unit: 'ms',
      rssMb: line.rss_peak_mb,
      blockMs: line.block_ms,
      ...(hasBars && { bar: atLeast(25, '×', faster?.median) }),
    },
    {
      scenario,
      what: `${what}: processor time`,
      value: cpu,
      unit: 'ms',
      ...(hasBars && { bar: atMost(50, 'ms', cpu?.median) }),
    },
  ];
  if (hasBars) {
    rows.push({
      scenario,
      what: `${what}: memory at the end`,
      against: 'halfway',
      ratio: once(line.rss_growth),
      bar: { text: 'flat', isMet: line.rss_growth <= GROWTH_MAX },
    });
  }
  return rows;
}

function otlpStep(): Step {
  const argv = ['--scenario', 'otlp', '--series', String(SERIES), '--rounds', '3'];
  return step<OtlpResult>([...argv, '--unwell-rounds', '4'], (lines) => ({
    rows: lines.map((line) => {
      const isKhan = line.exporter === 'khan';
      const isWell = line.collector === 'well';
      const what = [
        isKhan ? 'khan' : "the SDK's exporter",
        line.protocol === 'http/json' ? 'JSON' : 'protobuf',
        ...(line.temporality === 'delta' ? ['delta'] : []),
        ...(line.names === 'standard' ? ['standard names'] : []),
        ...(line.changing === 100 ? [] : [`${line.changing} % of the counters grow`]),
        ...(isWell ? [] : [`the collector is ${line.collector}`]),
      ].join(', ');
      const ratio = toldSpread(line.ratio, line.ratio_range);
      return {
        scenario: `push, ${counted(line.series)} points, processor time`,
        what,
        ...(isWell && { ratio, against: "the SDK's exporter" }),
        value: toldSpread(line.cpu_ms, line.cpu_ms_range),
        unit: 'ms',
        rssMb: line.rss_peak_mb,
        blockMs: line.block_cpu_ms,
      };
    }),
  }));
}
