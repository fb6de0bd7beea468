import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../src/demo/khan-process.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { FilledTable } from './filled-table.ts';
import {
  kubeconfigFor,
  memoryOf,
  REPOSITORY,
  startProgram,
  statusOf,
  temporaryFolder,
} from './program.ts';
import { stageShipped } from './shipped.ts';
import { medianOf, tell, type Told } from './spread.ts';

const READY_MS_MAX = 30_000;
const CHECK_MS = 2;
/** Long beside a snapshot, as a poll is where there is no hurry. */
const POLL_MS = 1500;
/** Polls of an agent before its memory is read, and while it is read. */
const POLLS_BEFORE = 3;
const POLLS_READ = 4;
const READ_MS = 50;
/** Pages that it then writes. */
const SCRAPES = 3;
const SCRAPE_MS = 500;
const QUIET = ['--log-level', 'error'];
/** An API server of a small cluster: what is asked here is what the program takes by itself. */
const PODS = 300;

export interface FootprintSize {
  readonly entries: number;
  readonly edges: number;
  /** Percent of the edges. */
  readonly ipv6: number;
  readonly rounds: number;
  /** Is kept: each round but the first goes on from that of the round before. */
  readonly state: boolean;
  /** Only as shipped. */
  readonly shipped: boolean;
}

/**
 * One line of the result, medians over the rounds. `ready_ms` is from exec to the first answer that it
 * is ready; an agent has published a snapshot then. `rss_mb` is the median over a number of polls, before
 * anybody has asked for a page.
 */
export interface FootprintResult extends Told<'ready_ms' | 'rss_mb'> {
  readonly scenario: string;
  readonly program: string;
  /** The image's folder, with and without the image's settings of V8 and the C library, or the source. */
  readonly from: string;
  /** In the table; none for a program that is idle. */
  readonly entries?: number;
  readonly edges?: number;
  /** The most in these polls, which is while the table is read. */
  readonly rss_high_mb: number;
  /** After a few pages. */
  readonly rss_scraped_mb: number;
  readonly rss_peak_mb: number;
}

type Sample = Pick<
  FootprintResult,
  'ready_ms' | 'rss_mb' | 'rss_high_mb' | 'rss_scraped_mb' | 'rss_peak_mb'
>;

/** Start-up time and memory of both programs as shipped, beside running from source. */
export async function benchFootprint(size: FootprintSize): Promise<FootprintResult[]> {
  await using resources = new AsyncDisposableStack();
  const { cli, flags, env } = await stageShipped(resources);
  const idle = resources.use(await NetworkNamespace.create('idle'));
  const { entries, edges, ipv6 } = size;
  const filling = { entries, edges, ipv6Share: ipv6 / 100 };
  const { namespace: loaded } = resources.use(await FilledTable.create(filling));
  const api = startProgram(
    [join(import.meta.dirname, 'kube-api-load.ts'), '--pods', String(PODS)],
    resources,
  );
  const [port] = await once(api.stdout!, 'data');
  const kubeconfig = await kubeconfigFor(`http://127.0.0.1:${String(port).trim()}`, resources);

  const agent = async (netns: string) =>
    ['agent', '--netns', netns, '--exclude', 'none', '--poll-interval', `${POLL_MS}ms`, ...QUIET]
      .concat(['--series-max', String(edges)])
      .concat(size.state ? ['--state-dir', await temporaryFolder(resources)] : []);
  const controller = ['controller', '--kubeconfig', kubeconfig, '--tls', 'off', '--auth', 'none'];
  const programs = [
    { program: 'agent', argv: await agent(idle.path), pages: '--listen', table: {} },
    {
      program: 'agent',
      argv: await agent(loaded.path),
      pages: '--listen',
      table: { entries, edges },
    },
    {
      program: 'controller',
      argv: [...controller, '--listen', '127.0.0.1:0', ...QUIET],
      pages: '--metrics-listen',
      table: {},
    },
  ];
  const ways = [
    { from: 'shipped', node: [...flags, cli], env },
    { from: 'shipped, without its settings', node: [cli], env: {} },
    { from: 'source', node: [join(REPOSITORY, 'src/cli.ts')], env: {} },
  ].filter(({ from }) => from === 'shipped' || !size.shipped);
  const measured = programs.flatMap((program) =>
    ways.map((way) => ({ ...program, ...way, samples: new Array<Sample>() })),
  );
  measured.push({
    program: 'bare node',
    from: 'shipped',
    // A server that does nothing, with the image's settings: what Node takes by itself.
    node: [...flags, join(import.meta.dirname, 'constant-server.ts')],
    env,
    argv: [],
    pages: '--listen',
    table: {},
    samples: [],
  });
  for (let round = 0; round < size.rounds; round++) {
    for (const { node, env: variables, argv, pages, samples } of measured) {
      samples.push(await takeSample([...node, ...argv], { pages, env: variables }));
    }
  }
  return measured.map(({ program, from, table, samples }) => ({
    scenario: 'footprint',
    program,
    from,
    ...table,
    ...medians(samples),
  }));
}

async function takeSample(
  argv: readonly string[],
  { pages, env }: { readonly pages: string; readonly env: Readonly<Record<string, string>> },
): Promise<Sample> {
  await using resources = new AsyncDisposableStack();
  const listen = `127.0.0.1:${await freePort(0)}`;
  const began = performance.now();
  const whole = [...argv, pages, listen];
  const program = startProgram(whole, resources, env);
  const url = `http://${listen}`;
  while ((await statusOf(url)) !== 200) {
    if (performance.now() - began > READY_MS_MAX || program.exitCode !== null)
      throw new Error('Cannot measure: the program is not ready');
    await delay(CHECK_MS);
  }
  const readyMs = performance.now() - began;
  await delay(POLLS_BEFORE * POLL_MS);
  const readMb: number[] = [];
  for (let read = 0; read * READ_MS < POLLS_READ * POLL_MS; read++) {
    const { rss_mb } = await memoryOf(program);
    readMb.push(rss_mb);
    await delay(READ_MS);
  }
  for (let scrape = 0; scrape < SCRAPES; scrape++) {
    const response = await fetch(`${url}/metrics`);
    for await (const _ of response.body!) continue;
    await delay(SCRAPE_MS);
  }
  const scraped = await memoryOf(program);
  return {
    ready_ms: readyMs,
    rss_mb: medianOf(readMb, 1),
    rss_high_mb: Math.max(...readMb),
    rss_scraped_mb: scraped.rss_mb,
    rss_peak_mb: scraped.rss_peak_mb,
  };
}

function medians(samples: readonly Sample[]) {
  const of = (name: keyof Sample) => samples.map((sample) => sample[name]);
  return {
    ...tell({ ready_ms: of('ready_ms'), rss_mb: of('rss_mb') }, 1),
    rss_high_mb: medianOf(of('rss_high_mb'), 1),
    rss_scraped_mb: medianOf(of('rss_scraped_mb'), 1),
    rss_peak_mb: medianOf(of('rss_peak_mb'), 1),
  };
}
