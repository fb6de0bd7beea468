/** An agent that keeps its state is killed and started again, while real connections open and close. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { freePort } from '../../src/demo/khan-process.ts';
import { parsePage } from '../../src/telemetry/samples.ts';
import { rewriteHead } from '../builders/state.ts';
import { Increase } from '../fakes/increase.ts';
import { KhanProcess } from '../fakes/khan-process.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { noPrometheus, startPrometheus } from './prometheus-server.ts';
import { skip } from './skip.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.0.0.2';
const KILLS = 8;
const PATIENCE_MS = 60_000;
const PAUSE_MS = 50;
const JOB = 'khan';
const INCREASE = `sum(increase(khan_connection_total{job="${JOB}"}[10m]))`;
const RESETS = `sum(resets(khan_connection_total{job="${JOB}"}[10m]))`;
/** Longer than an agent is away, so that no connection comes and goes unseen. */
const CLOSE_TIMEOUT_S = 10;

t.setTimeout(180_000);

/** What the page of an agent says of all series together. */
function totalsOf(page: string) {
  const totals = { opened: 0, closed: 0, active: 0 };
  for (const { name, value } of parsePage(page)) {
    if (name === 'khan_connection_total') totals.opened += value;
    if (name === 'khan_connection_closed_total') totals.closed += value;
    if (name === 'khan_connection_active') totals.active += value;
  }
  return totals;
}

/** Undefined while nobody answers, or nothing is published. */
async function pageOf(url: string): Promise<string | undefined> {
  try {
    const page = await (await fetch(`${url}/metrics`)).text();
    return page.includes('\nkhan_conntrack_entries') ? page : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Waits for what must come true; false when it has not. */
async function until(condition: () => Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + PATIENCE_MS;
  while (performance.now() < endMs) {
    if (await condition()) return true;
    await delay(PAUSE_MS);
  }
  return false;
}

/** Resolves when an agent has published something that says this. */
async function saying(url: string, isSaid: (page: string) => boolean): Promise<boolean> {
  return until(async () => {
    const page = await pageOf(url);
    return page !== undefined && isSaid(page);
  });
}

/** `khan agent`; settings without a value are left out. */
function agentOf(t: Test, settings: Readonly<Record<string, string>>): KhanProcess {
  const all = { 'node-name': 'node-a', 'poll-interval': '200ms', exclude: 'none', ...settings };
  return new KhanProcess(t, [
    'agent',
    ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
  ]);
}

t.test(
  'however often it is killed, nothing is lost and nothing counted twice',
  { skip: skip || noPrometheus },
  async (t) => {
    const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
    const timeout = `net.netfilter.nf_conntrack_tcp_timeout_close=${CLOSE_TIMEOUT_S}`;
    execFileSync('nsenter', [`--net=${namespace.path}`, 'sysctl', '-qw', timeout]);
    const route = { source: CLIENT, destination: SERVER };
    await namespace.open({ ...route, port: 7000, count: 5 });
    const port = await freePort(0);
    const url = `http://127.0.0.1:${port}`;
    const settings = {
      netns: namespace.path,
      'state-dir': join(t.testdir(), 'state'),
      // A page knows its scrapers by their address: this process by IPv4, Prometheus by IPv6.
      listen: `[::]:${port}`,
    };
    let agent = agentOf(t, settings);
    const prometheus = await startPrometheus(t, new Map([[JOB, `[::1]:${port}`]]));
    const isUp = async () => (await prometheus.value(`up{job="${JOB}"}`)) === 1;
    t.ok(await until(isUp), 'Prometheus scrapes it');
    const increase = new Increase('khan_connection_total');
    const closings = new Increase('khan_connection_closed_total');
    const opens = { count: 0 };
    t.ok(await saying(url, (page) => totalsOf(page).active === 5), 'a baseline of 5');

    const ending = new AbortController();
    const { signal } = ending;
    /** A scraper with the address of this process. */
    const scraping = (async () => {
      while (!signal.aborted) {
        const page = await pageOf(url);
        if (page !== undefined) {
          increase.scrape(page);
          closings.scrape(page);
        }
        await delay(20 + Math.random() * 200);
      }
    })();
    const traffic = (async () => {
      for (let round = 0; !signal.aborted; round++) {
        const to = 8000 + (round % 7);
        const count = 1 + (round % 3);
        await namespace.open({ ...route, port: to, count });
        opens.count += count;
        if (round % 4 === 3) await namespace.reset(8000 + ((round + 3) % 7));
        await delay(Math.random() * 100);
      }
    })();

    for (let kill = 0; kill < KILLS; kill++) {
      // Of two in a row one has come to a snapshot: else all are away for longer than CLOSE_TIMEOUT_S.
      if (kill % 2 === 1) await saying(url, () => true);
      await delay(Math.random() * 2500);
      agent.kill('SIGKILL');
      await agent.ended;
      agent = agentOf(t, settings);
    }
    await agent.logged('Goes on from the state');
    await delay(1000);
    agent.kill('SIGTERM');
    t.equal((await agent.ended).code, 0, 'and once it ended in order');
    agent = agentOf(t, settings);

    ending.abort();
    await traffic;
    await scraping;
    const { count } = opens;
    const scraped = async (isWhole: () => boolean): Promise<boolean> =>
      until(async () => {
        const page = await pageOf(url);
        if (page !== undefined) {
          increase.scrape(page);
          closings.scrape(page);
        }
        return isWhole();
      });
    t.ok(await scraped(() => increase.sum >= count), `${count} have been opened`);
    t.equal(increase.sum, count, 'increase() says so');
    t.equal(increase.resets, 0, 'no counter fell');
    const inPrometheus = async () => prometheus.atLastScrape(JOB, INCREASE);
    // It guesses beyond the last sample as long as the last scrape met no agent; what it counts twice it keeps.
    t.ok(await until(async () => (await inPrometheus()) === count), 'and so does Prometheus');
    t.equal(await prometheus.atLastScrape(JOB, RESETS), 0);
    t.equal(totalsOf((await pageOf(url)) ?? '').opened, count, 'and the page of the last agent');

    for (let to = 8000; to < 8007; to++) await namespace.reset(to);
    await namespace.reset(7000);
    t.ok(await saying(url, (page) => totalsOf(page).active === 0), 'all have gone');
    t.strictSame(totalsOf((await pageOf(url)) ?? ''), { opened: count, closed: count, active: 0 });
    t.ok(await scraped(() => closings.sum >= count));
    t.equal(closings.sum, count, 'the five of the baseline were never counted');
    t.ok(count > 50);
  },
);

t.test('what cannot be used is set aside, and said', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
  const route = { source: CLIENT, destination: SERVER };
  await namespace.open({ ...route, port: 8080, count: 2 });
  const folder = join(t.testdir(), 'state');
  /** Runs an agent until it has published, then ends it in order. */
  const run = async (more: Readonly<Record<string, string>> = {}) => {
    const settings = { netns: namespace.path, 'state-dir': folder, listen: '127.0.0.1:0' };
    const agent = agentOf(t, { ...settings, ...more });
    const { port } = await agent.logged('Agent listens');
    const url = `http://127.0.0.1:${String(port)}`;
    t.ok(await saying(url, () => true));
    // The first scrape holds new series at 0, and the one after the next save does not.
    await delay(1000);
    const totals = totalsOf((await pageOf(url)) ?? '');
    agent.kill('SIGTERM');
    await agent.ended;
    return { totals, lines: agent.lines };
  };
  const saidBy = ({ lines }: Awaited<ReturnType<typeof run>>): string =>
    lines.map(({ msg }) => msg).join('\n');

  t.strictSame((await run()).totals, { opened: 0, closed: 0, active: 2 });
  await namespace.open({ ...route, port: 8080, count: 3 });
  const second = await run();
  t.strictSame(second.totals, { opened: 3, closed: 0, active: 5 });
  t.match(saidBy(second), 'Goes on from the state');

  await t.test('damage', async (t) => {
    appendFileSync(join(folder, 'agent.state'), 'x');
    const damaged = await run();
    t.strictSame(damaged.totals, { opened: 0, closed: 0, active: 5 });
    t.match(saidBy(damaged), /Cannot use the state, .* set aside: it is damaged/);
    t.strictSame(readdirSync(folder).length, 2);
  });

  await t.test('other settings', async (t) => {
    const other = await run({ 'drop-attributes': 'src_ip,dst_ip' });
    t.strictSame(other.totals, { opened: 0, closed: 0, active: 5 });
    t.match(saidBy(other), /other settings decide which series there are: --drop-attributes/);
  });

  await t.test('another node', async (t) => {
    const other = await run({ 'node-name': 'node-b' });
    t.match(saidBy(other), /counters begin anew: it is of the node node-a/);
    await run();
  });

  await t.test('another network namespace', async (t) => {
    const elsewhere = await TrackedNamespace.create(t, [CLIENT, SERVER]);
    await elsewhere.open({ ...route, port: 8080, count: 1 });
    const other = await run({ netns: elsewhere.path });
    t.match(saidBy(other), /counters begin anew: it is of another network namespace/);
    t.strictSame(other.totals, { opened: 0, closed: 0, active: 1 });
    t.match(saidBy(await run()), 'counters begin anew');
  });

  await t.test('another boot: the connections have ended, all others are new', async (t) => {
    await run();
    await namespace.open({ ...route, port: 8080, count: 2 });
    t.strictSame((await run()).totals, { opened: 2, closed: 0, active: 7 });
    // A table in which nothing of the old one is.
    const elsewhere = await TrackedNamespace.create(t, [CLIENT, SERVER]);
    await elsewhere.open({ ...route, port: 8080, count: 3 });
    rewriteHead(folder, (head) => ({ ...head, boot: 'the one before' }));
    const rebooted = await run({ netns: elsewhere.path });
    t.match(saidBy(rebooted), 'Goes on from the state');
    t.strictSame(rebooted.totals, { opened: 5, closed: 2, active: 3 });
  });
});
