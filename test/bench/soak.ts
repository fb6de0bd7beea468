import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { startProgram, statusOf, temporaryFolder } from './program.ts';
import { stageShipped } from './shipped.ts';
import { SoakCollector } from './soak-collector.ts';
import { backendAddresses, FAMILIES, serviceAddresses, SERVICES } from './soak-pods.ts';
import { LeaksTold } from './soak-leaks.ts';
import { partsOf, plotOf, takeSamples, type SoakPart } from './soak-samples.ts';
import { SoakScraper } from './soak-scraper.ts';
import type { Made } from './soak-traffic.ts';

const PLOT = join(import.meta.dirname, '../../docs/images/soak.svg');
const TRAFFIC = join(import.meta.dirname, 'soak-traffic.ts');
const POLL_MS = 5_000;
const SCRAPE_MS = 15_000;
const OTHER_SCRAPE_MS = 20_000;
const PUSH_MS = 15_000;
const PUSH_TIMEOUT_MS = 5_000;
const READY_MS_MAX = 30_000;
const CHECK_MS = 50;
/** Until nothing changes any more and all have been told of it: TIME_WAIT is 120 seconds. */
const SETTLE_MS = 120_000 + 3 * SCRAPE_MS;

export interface SoakSize {
  readonly minutes: number;
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
  /** Pods that leaked for ten minutes or longer; of these, those the log told of. */
  readonly leaks_made: number;
  readonly leaks_told: number;
  /** Pods that had a pool of a constant size for as long. */
  readonly pools_made: number;
  /** What the log told of beside leaks: of these pools, or of anything else. */
  readonly false_alarms: number;
  /** Pushed; what is told while the collector is away is in the log alone. */
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
    const program = startProgram(whole, resources, { ...env, ...variables }, 'pipe');
    const leaks = new LeaksTold(program);
    await ready(program, `http://${address}`);
    return { program, url: `http://${address}`, leaks };
  };

  const asked = `127.0.0.1:${await freePort(0)}`;
  const open = ['--tls', 'off', '--auth', 'none', '--listen', asked];
  const source = ['--source', 'file', '--inventory-file', inventory];
  const polls = ['--poll-interval', `${POLL_MS}ms`];
  await start(['controller', ...source, ...open, ...polls], '--metrics-listen');
  const {
    program: agent,
    url,
    leaks,
  } = await start(
    ['agent', ...netns, ...polls, '--exclude', 'none', '--node-name', 'node-a']
      .concat(['--events', 'destroy', '--state-dir', join(folder, 'state')])
      .concat(['--series-ttl', '2m', '--leak-window', '1m', '--attribute-groups', 'backend'])
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
  const samples = await takeSamples({ minutes, agent, scraper, collector });
  collector.isWell = true;
  traffic.send('stop');
  const made = await told(traffic);
  await delay(SETTLE_MS);
  ending.abort();
  const failures = await loops;
  const scraped = await scraper.scrape();
  const pushed = collector.sums;

  await writeFile(PLOT, await plotOf(samples));
  return [
    ...partsOf(samples, minutes),
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
      leaks_made: made.leaking.length,
      leaks_told: leaks.of(made.leaking),
      pools_made: made.pooling,
      false_alarms: leaks.falseAlarms,
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
