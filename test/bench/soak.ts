import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { cpuSecondsOf, memoryOf, startProgram, statusOf, temporaryFolder } from './program.ts';
import { stageShipped } from './shipped.ts';
import { SoakCollector } from './soak-collector.ts';
import { BLUE, drawPanels, ORANGE } from './soak-plot.ts';
import { backendAddresses, FAMILIES, serviceAddresses, SERVICES } from './soak-pods.ts';
import { SoakScraper } from './soak-scraper.ts';
import type { Made } from './soak-traffic.ts';

const PLOT = join(import.meta.dirname, '../../docs/images/soak.svg');
const TRAFFIC = join(import.meta.dirname, 'soak-traffic.ts');
const POLL_MS = 5_000;
const SAMPLE_MS = 10_000;
const SCRAPE_MS = 15_000;
const OTHER_SCRAPE_MS = 20_000;
const PUSH_MS = 15_000;
const PUSH_TIMEOUT_MS = 5_000;
/** Of each ten minutes, the collector does not answer in the last one. */
const COLLECTOR_ROUND_MS = 600_000;
const COLLECTOR_AWAY_MS = 60_000;
const READY_MS_MAX = 30_000;
const CHECK_MS = 50;
/** Of the time: until the table, the series and the histories of the leak watch have filled. */
const WARM_UP_SHARE = 0.1;
/** Until nothing changes any more and all have been told of it: TIME_WAIT is 120 seconds. */
const SETTLE_MS = 120_000 + 3 * SCRAPE_MS;

export interface SoakSize {
  readonly minutes: number;
}

interface Sample {
  readonly minute: number;
  readonly rss_mb: number;
  readonly fds: number;
  readonly threads: number;
  /** Of one core, since the sample before. */
  readonly cpu_share: number;
  readonly entries: number;
  readonly series: number;
  readonly overflow_edges: number;
}

/** Medians of a part of the time. */
interface SoakPart {
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

/** What was counted, against what was made. */
interface SoakSums {
  readonly scenario: string;
  readonly part: 'sums';
  readonly made: number;
  readonly failed: number;
  readonly pods: number;
  readonly scraped_opened: number;
  readonly scraped_closed: number;
  readonly scraped_active: number;
  readonly pushed_opened: number;
  readonly pushed_closed: number;
  readonly pushed_active: number;
  readonly scrapes_failed: number;
  readonly pushes_refused: number;
  readonly leak_events: number;
  readonly exact: boolean;
}

/**
 * An agent as shipped, with all that it can do, over a table in which everything is replaced again and
 * again: what it takes must not grow, and what it counts must be what was made. Draws a plot.
 */
export async function benchSoak({ minutes }: SoakSize): Promise<(SoakPart | SoakSums)[]> {
  await using resources = new AsyncDisposableStack();
  const { cli, flags, env } = await stageShipped(resources);
  const folder = await temporaryFolder(resources);
  const inventory = join(folder, 'inventory.json');
  const namespace = resources.use(await createNamespace());
  const netns = ['--netns', namespace.path];
  const traffic = startProgram([TRAFFIC, ...netns, '--inventory', inventory], resources);
  await told(traffic);
  const collector = resources.use(await SoakCollector.create());
  const start = async (argv: readonly string[], pages: string, variables = {}) => {
    const address = `127.0.0.1:${await freePort(0)}`;
    const whole = [...flags, cli, ...argv, pages, address, '--log-level', 'warn'];
    const program = startProgram(whole, resources, { ...env, ...variables });
    await ready(program, `http://${address}`);
    return { program, url: `http://${address}` };
  };

  const asked = `127.0.0.1:${await freePort(0)}`;
  const open = ['--tls', 'off', '--auth', 'none', '--listen', asked];
  const source = ['--source', 'file', '--inventory-file', inventory];
  const polls = ['--poll-interval', `${POLL_MS}ms`];
  await start(['controller', ...source, ...open, ...polls], '--metrics-listen');
  const { program: agent, url } = await start(
    ['agent', ...netns, ...polls, '--exclude', 'none', '--node-name', 'node-a']
      .concat(['--events', 'destroy', '--state-dir', join(folder, 'state')])
      .concat(['--series-ttl', '2m', '--leak-window', '2m', '--attribute-groups', 'backend'])
      .concat(['--controller-url', `http://${asked}`]),
    '--listen',
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
      OTEL_EXPORTER_OTLP_TIMEOUT: String(PUSH_TIMEOUT_MS),
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_METRIC_EXPORT_INTERVAL: String(PUSH_MS),
      OTEL_METRIC_EXPORT_TIMEOUT: String(PUSH_TIMEOUT_MS),
    },
  );
  const scraper = new SoakScraper(`${url}/metrics`);
  await scraper.scrape();

  const ending = new AbortController();
  const { signal } = ending;
  const loops = Promise.all([
    repeat(SCRAPE_MS, () => scraper.scrape(), signal),
    repeat(OTHER_SCRAPE_MS, () => scrapeOtherwise(url), signal),
  ]);
  traffic.send('begin');
  const samples = await sample({ minutes, agent, scraper, collector });
  collector.isWell = true;
  traffic.send('stop');
  const made = await told(traffic);
  await delay(SETTLE_MS);
  ending.abort();
  const failures = await loops;
  const scraped = await scraper.scrape();
  const pushed = collector.sums;

  await writeFile(PLOT, plotOf(samples));
  const steady = samples.filter(({ minute }) => minute > minutes * WARM_UP_SHARE);
  const quarter = steady.length >> 2;
  return [
    partOf('first quarter', steady.slice(0, quarter)),
    partOf('last quarter', steady.slice(-quarter)),
    partOf('all', steady),
    {
      scenario: 'soak',
      part: 'sums',
      made: made.opened,
      failed: made.failed,
      pods: made.pods,
      scraped_opened: scraped.opened,
      scraped_closed: scraped.closed,
      scraped_active: scraped.active,
      pushed_opened: pushed.opened,
      pushed_closed: pushed.closed,
      pushed_active: pushed.active,
      scrapes_failed: failures.reduce((sum, count) => sum + count, 0),
      pushes_refused: pushed.refused,
      leak_events: pushed.events,
      exact:
        scraped.opened === made.opened &&
        pushed.opened === made.opened &&
        scraped.opened - scraped.closed === scraped.active &&
        pushed.opened - pushed.closed === pushed.active &&
        pushed.active === scraped.active,
    },
  ];
}

/** Every address of the soak is its own; services are translated; connections are tracked in full. */
async function createNamespace(): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create('soak');
  await namespace.ip(['route add local 10.0.0.0/8 dev lo', 'route add local fd00::/16 dev lo']);
  await namespace.sysctl({
    'net/ipv6/ip_nonlocal_bind': '1',
    'net/netfilter/nf_conntrack_acct': '1',
    'net/netfilter/nf_conntrack_timestamp': '1',
  });
  const [ipv4, ipv6] = FAMILIES.map((family) =>
    Array.from({ length: SERVICES }, (_, at) => {
      return `${serviceAddresses(at)[family]} : ${backendAddresses(at)[family]}`;
    }).join(', '),
  );
  await namespace.nft(`table inet soak {
    chain tracking { type filter hook input priority 0; ct state new counter; }
    chain services {
      type nat hook output priority -100;
      dnat ip to ip daddr map { ${ipv4} }
      dnat ip6 to ip6 daddr map { ${ipv6} }
    }
  }`);
  return namespace;
}

/** The next that the traffic says of itself. */
async function told(traffic: ChildProcess): Promise<Made> {
  const [made] = await Promise.race([once(traffic, 'message'), failedBy(traffic, 'the traffic')]);
  return made;
}

async function failedBy(program: ChildProcess, name: string): Promise<never> {
  await once(program, 'exit');
  throw new Error(`Cannot measure: ${name} has ended`);
}

async function ready(program: ChildProcess, url: string): Promise<void> {
  const beganMs = performance.now();
  while ((await statusOf(url)) !== 200) {
    if (performance.now() - beganMs > READY_MS_MAX || program.exitCode !== null)
      throw new Error('Cannot measure: a program is not ready');
    await delay(CHECK_MS);
  }
}

/** Until the signal; resolves to how often it failed, which is told at once. */
async function repeat(
  periodMs: number,
  act: () => Promise<unknown>,
  signal: AbortSignal,
): Promise<number> {
  let failures = 0;
  while (!signal.aborted) {
    await act().catch((error: unknown) => {
      failures++;
      process.stderr.write(`${String(error)}\n`);
    });
    await delay(periodMs, undefined, { signal }).catch(() => {});
  }
  return failures;
}

/** A second scraper, in plain text and compressed, of both pages in turn. */
async function scrapeOtherwise(url: string): Promise<void> {
  for (const path of ['/metrics', '/khan']) {
    const response = await fetch(url + path, { headers: { 'user-agent': 'soak-other' } });
    if (!response.ok) throw new Error(`Cannot scrape ${path}: status ${response.status}`);
    for await (const _ of response.body!) continue;
  }
}

async function sample({
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
    const { entries, series, overflowEdges } = scraper.sums;
    const one = {
      minute: rounded((ms - beganMs) / 60_000),
      rss_mb,
      fds: (await readdir(`/proc/${agent.pid}/fd`)).length,
      threads: (await readdir(`/proc/${agent.pid}/task`)).length,
      cpu_share: rounded(((cpu - last.cpu) * 1000) / (ms - last.ms)),
      entries,
      series,
      overflow_edges: overflowEdges,
    };
    last = { ms, cpu };
    samples.push(one);
    process.stderr.write(`${JSON.stringify(one)}\n`);
    const ofRoundMs = (ms - beganMs) % COLLECTOR_ROUND_MS;
    collector.isWell = ofRoundMs < COLLECTOR_ROUND_MS - COLLECTOR_AWAY_MS;
  }
  return samples;
}

function partOf(part: SoakPart['part'], samples: readonly Sample[]): SoakPart {
  const of = (name: keyof Sample) => samples.map((one) => one[name]);
  return {
    scenario: 'soak',
    part,
    from_minute: samples[0]?.minute ?? Number.NaN,
    rss_mb: median(of('rss_mb')),
    rss_max_mb: Math.max(...of('rss_mb')),
    rss_mb_per_hour: rounded(60 * slope(of('minute'), of('rss_mb'))),
    fds_max: Math.max(...of('fds')),
    threads_max: Math.max(...of('threads')),
    cpu_share: median(of('cpu_share')),
    entries: median(of('entries')),
    series: median(of('series')),
  };
}

function plotOf(samples: readonly Sample[]): string {
  const curve = (name: string, key: keyof Sample, { colour = BLUE, factor = 1 } = {}) => {
    return { name, colour, values: samples.map((one) => one[key] * factor) };
  };
  return drawPanels(
    samples.map(({ minute }) => minute),
    [
      { title: 'Memory of the agent (RSS), MB', curves: [curve('memory', 'rss_mb')] },
      {
        title: 'Entries of the table, series',
        curves: [curve('entries', 'entries'), curve('series', 'series', { colour: ORANGE })],
      },
      {
        title: 'Processor time, % of a core',
        curves: [curve('processor', 'cpu_share', { factor: 100 })],
      },
      {
        title: 'Open files, threads',
        curves: [curve('files', 'fds'), curve('threads', 'threads', { colour: ORANGE })],
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

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
