/** What the agent of a soak takes over time. */
import type { ChildProcess } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSecondsOf, memoryOf } from './program.ts';
import type { SoakCollector } from './soak-collector.ts';
import { drawPanels } from './soak-plot.ts';
import type { SoakScraper } from './soak-scraper.ts';
import { medianOf, rounded } from './spread.ts';

const SAMPLE_MS = 10_000;
/** Of each ten minutes, the collector does not answer in the last one. */
const COLLECTOR_ROUND_MS = 600_000;
const COLLECTOR_AWAY_MS = 60_000;
/** Of the time: until the table, the series and the histories of the leak watch have filled. */
const WARM_UP_SHARE = 0.1;

export interface Sample {
  readonly minute: number;
  readonly rss_mb: number;
  readonly fds: number;
  readonly threads: number;
  /** Of one core, since the sample before. */
  readonly cpu_share: number;
  readonly entries: number;
  readonly series: number;
  readonly overflow_edges: number;
  /** In force: longer than set where snapshots would cost too much. */
  readonly poll_s: number;
}

/** Medians of a part of the time. */
export interface SoakPart {
  readonly scenario: string;
  readonly part: 'first quarter' | 'last quarter' | 'all';
  readonly from_minute: number;
  readonly rss_mb: number;
  readonly rss_max_mb: number;
  /** Slope of the line through all samples of the part. */
  readonly rss_mb_per_hour: number;
  readonly fds_max: number;
  readonly threads_max: number;
  readonly cpu_share: number;
  readonly entries: number;
  readonly series: number;
}

export async function takeSamples({
  minutes,
  agent,
  scraper,
  collector,
}: {
  readonly minutes: number;
  readonly agent: ChildProcess;
  readonly scraper: SoakScraper;
  readonly collector: SoakCollector;
}): Promise<Sample[]> {
  const samples: Sample[] = [];
  const beganMs = performance.now();
  let last = { ms: beganMs, cpu: await cpuSecondsOf(agent) };
  while (performance.now() - beganMs < minutes * 60_000) {
    await delay(SAMPLE_MS);
    const ms = performance.now();
    const cpu = await cpuSecondsOf(agent);
    const { rss_mb } = await memoryOf(agent);
    const { entries, series, overflowEdges, poll } = scraper.sums;
    const one = {
      minute: rounded((ms - beganMs) / 60_000),
      rss_mb,
      fds: (await readdir(`/proc/${agent.pid}/fd`)).length,
      threads: (await readdir(`/proc/${agent.pid}/task`)).length,
      cpu_share: rounded(((cpu - last.cpu) * 1000) / (ms - last.ms)),
      entries,
      series,
      overflow_edges: overflowEdges,
      poll_s: rounded(poll),
    };
    last = { ms, cpu };
    samples.push(one);
    process.stderr.write(`${JSON.stringify(one)}\n`);
    const ofRoundMs = (ms - beganMs) % COLLECTOR_ROUND_MS;
    collector.isWell = ofRoundMs < COLLECTOR_ROUND_MS - COLLECTOR_AWAY_MS;
  }
  return samples;
}

export function partsOf(samples: readonly Sample[], minutes: number): SoakPart[] {
  const steady = samples.filter(({ minute }) => minute > minutes * WARM_UP_SHARE);
  const quarter = steady.length >> 2;
  return [
    partOf('first quarter', steady.slice(0, quarter)),
    partOf('last quarter', steady.slice(-quarter)),
    partOf('all', steady),
  ];
}

function partOf(part: SoakPart['part'], samples: readonly Sample[]): SoakPart {
  const of = (name: keyof Sample) => samples.map((one) => one[name]);
  return {
    scenario: 'soak',
    part,
    from_minute: samples[0]?.minute ?? Number.NaN,
    rss_mb: medianOf(of('rss_mb')),
    rss_max_mb: Math.max(...of('rss_mb')),
    rss_mb_per_hour: rounded(60 * slope(of('minute'), of('rss_mb'))),
    fds_max: Math.max(...of('fds')),
    threads_max: Math.max(...of('threads')),
    cpu_share: medianOf(of('cpu_share')),
    entries: medianOf(of('entries')),
    series: medianOf(of('series')),
  };
}

export async function plotOf(samples: readonly Sample[]): Promise<string> {
  const curve = (name: string, key: keyof Sample, factor = 1) => {
    return { name, values: samples.map((one) => one[key] * factor) };
  };
  return drawPanels(
    samples.map(({ minute }) => minute),
    [
      { title: 'Memory of the agent (RSS), MB', curves: [curve('memory', 'rss_mb')] },
      {
        title: 'Entries of the table, series',
        curves: [curve('entries', 'entries'), curve('series', 'series')],
      },
      { title: 'Processor time, % of a core', curves: [curve('processor', 'cpu_share', 100)] },
      {
        title: 'Open files, threads',
        curves: [curve('files', 'fds'), curve('threads', 'threads')],
      },
    ],
  );
}

/** Of the least squares through the points. */
function slope(x: readonly number[], y: readonly number[]): number {
  const [meanX, meanY] = [mean(x), mean(y)];
  const covariance = mean(x.map((value, at) => (value - meanX) * (y[at]! - meanY)));
  return covariance / mean(x.map((value) => (value - meanX) ** 2));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
