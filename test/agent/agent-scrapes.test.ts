import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { parsePage, type Sample } from '../../src/telemetry/samples.ts';
import { until } from '../demo/until.ts';
import { startAgent } from '../fakes/khan-process.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(120_000);

const SCRAPERS = 5;
const PORTS = 12;
const CONNECTIONS = 20;
const ALL = PORTS * CONNECTIONS;
/** Of one scraper, if it never sees them all. */
const SCRAPES_MAX = 2000;
/** Between two scrapes of one scraper: several while a cycle runs, and none for long. */
const PAUSE_MS = 20;
const webToApi = { source: '10.1.0.11', destination: '10.1.0.12' };

interface Counts {
  opened?: number;
  closed?: number;
  active?: number;
}

/** By labels, of which the state is none. */
function countsOf(samples: readonly Sample[]): ReadonlyMap<string, Counts> {
  const series = new Map<string, Counts>();
  for (const { name, labels, value } of samples) {
    const { state: _, ...rest } = labels;
    const key = JSON.stringify(rest);
    const counts = series.get(key) ?? {};
    if (name === 'khan_connection_total') counts.opened = value;
    else if (name === 'khan_connection_closed_total') counts.closed = value;
    else if (name === 'khan_connection_active') counts.active = (counts.active ?? 0) + value;
    else continue;
    series.set(key, counts);
  }
  return series;
}

/** As one snapshot has it: all that it tells of a series, and a counter that is held at 0 is held with the other. */
function isOfOneSnapshot({ opened, closed, active }: Counts): boolean {
  if (opened === undefined || closed === undefined || active === undefined) return false;
  return opened - closed === active || (opened === 0 && closed === 0);
}

const total = (counts: ReadonlyMap<string, Counts>, of: keyof Counts) =>
  counts.values().reduce((sum, one) => sum + (one[of] ?? 0), 0);

t.test(
  'five scrapers at once get whole pages of one snapshot each, and cycles go on',
  { skip },
  async (t) => {
    const namespace = await TrackedNamespace.create(t, Object.values(webToApi));
    const { agent, url } = await startAgent(t, ['--netns', namespace.path]);
    t.ok(await until(async () => (await fetch(`${url}/readyz`)).status === 200));
    const ending = new AbortController();
    const scrape = async (nth: number) => {
      const headers = {
        'user-agent': `scraper-${nth}`,
        'accept-encoding': nth % 2 === 0 ? 'gzip' : 'identity',
      };
      const faults: string[] = [];
      for (let scrapes = 0; ; scrapes++) {
        const response = await fetch(`${url}/metrics`, { headers });
        const samples = parsePage(await response.text());
        const counts = countsOf(samples);
        if (response.status !== 200) faults.push(`status ${response.status}`);
        if (![...counts.values()].every(isOfOneSnapshot)) faults.push(JSON.stringify([...counts]));
        // A counter is held at 0 until this very scraper has seen it so.
        const isShown = ending.signal.aborted && total(counts, 'opened') === ALL;
        if (isShown || scrapes === SCRAPES_MAX) return { faults, samples, counts };
        await delay(PAUSE_MS);
      }
    };
    const scrapers = Array.from({ length: SCRAPERS }, (_, nth) => scrape(nth));
    for (let port = 8001; port <= 8000 + PORTS; port++) {
      await namespace.open({ ...webToApi, port, count: CONNECTIONS });
      if (port % 2 === 0) await namespace.reset(port);
    }
    const isDone = async () => {
      const counts = countsOf(parsePage(await (await fetch(`${url}/metrics`)).text()));
      return total(counts, 'opened') === ALL && total(counts, 'closed') === ALL / 2;
    };
    t.ok(await until(isDone), 'each is counted');
    ending.abort();
    for (const { faults, samples, counts } of await Promise.all(scrapers)) {
      t.strictSame(faults, []);
      t.equal(total(counts, 'opened'), ALL);
      t.equal(total(counts, 'active'), ALL / 2);
      const failed = samples.find(
        ({ name, labels }) => name === 'khan_agent_cycles_total' && labels['result'] === 'failure',
      );
      t.equal(failed?.value, 0);
    }
    agent.kill('SIGTERM');
    t.match(await agent.ended, { code: 0, signal: null });
  },
);
