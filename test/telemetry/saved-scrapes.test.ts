import * as fc from 'fast-check';
import t from 'tap';
import { ScrapeLog, type SavedClient } from '../../src/telemetry/scrape-log.ts';

const POLL_INTERVAL_MS = 30_000;
const CLIENT = '10.0.0.1';
const NEW_CLIENT = '10.0.0.2';

function createLog(): ScrapeLog {
  return new ScrapeLog({ pollIntervalMs: () => POLL_INTERVAL_MS });
}

t.test('what a client saw before a restart is not held again', async (t) => {
  const before = createLog();
  before.note(CLIENT, { nowMs: 100_000, seenAtMs: 90_000 });
  const log = createLog();
  log.restore(before.save(), 95_000);
  t.equal(log.horizonMs(CLIENT, 200_000), 90_000);
  log.note(CLIENT, { nowMs: 200_000, seenAtMs: Number.NEGATIVE_INFINITY });
  t.equal(log.horizonMs(CLIENT, 201_000), 90_000, 'also when its first page has nothing yet');
  log.note(NEW_CLIENT, { nowMs: 200_000, seenAtMs: Number.NEGATIVE_INFINITY });
  t.equal(log.horizonMs(NEW_CLIENT, 300_000), 95_000, 'nor from one who is not known any more');
});

t.test('where a state is kept, only what it knows of counts as seen', async (t) => {
  const log = createLog();
  log.note(CLIENT, { nowMs: 100_000, seenAtMs: 90_000 });
  log.saved(log.save());
  log.note(CLIENT, { nowMs: 130_000, seenAtMs: 120_000 });
  t.equal(log.horizonMs(CLIENT, 160_000), 90_000);
  log.saved(log.save());
  t.equal(log.horizonMs(CLIENT, 160_000), 120_000);
});

t.test('who came before the first publication is saved as who has seen nothing', async (t) => {
  const log = createLog();
  log.note(CLIENT, { nowMs: 100_000, seenAtMs: Number.NEGATIVE_INFINITY });
  const [client] = log.save();
  t.strictSame(JSON.parse(JSON.stringify(client)), {
    client: CLIENT,
    scrapedAtMs: 100_000,
    seenAtMs: 0,
  });
});

const anyStep = fc.record({
  passedMs: fc.oneof(fc.nat(2000), fc.nat(40_000)),
  act: fc.constantFrom(
    ...(['take', 'save', 'publish', 'scrape', 'scrape', 'scrape', 'crash'] as const),
  ),
  client: fc.constantFrom(CLIENT, NEW_CLIENT),
});

t.test('whenever it crashes, no counter falls that a client has seen', async (t) => {
  let shown = 0;
  let crashes = 0;
  const property = fc.property(fc.array(anyStep, { minLength: 30, maxLength: 90 }), (steps) => {
    let log = createLog();
    let nowMs = 1_000_000;
    /** Each snapshot has one new series, known by its time; a cycle takes, saves and publishes it. */
    let cycle: { readonly series: readonly number[]; isSaved: boolean } | undefined;
    let saved: { readonly series: readonly number[]; readonly clients: readonly SavedClient[] } = {
      series: [],
      clients: [],
    };
    let published: readonly number[] = [];
    let isPublished = false;
    const values = new Map<string, Set<number>>();
    for (const { passedMs, act, client } of steps) {
      nowMs += passedMs;
      switch (act) {
        case 'take':
          cycle = { series: [...published, nowMs], isSaved: false };
          break;
        case 'save':
          if (cycle === undefined || cycle.isSaved) break;
          saved = { series: cycle.series, clients: log.save() };
          log.saved(saved.clients);
          cycle.isSaved = true;
          break;
        case 'publish':
          if (cycle?.isSaved !== true) break;
          published = cycle.series;
          isPublished = true;
          cycle = undefined;
          break;
        case 'scrape': {
          const horizonMs = log.horizonMs(client, nowMs);
          const seenAtMs = isPublished ? published.at(-1)! : Number.NEGATIVE_INFINITY;
          log.note(client, { nowMs, seenAtMs });
          const seen = values.get(client) ?? new Set();
          values.set(client, seen);
          for (const series of isPublished ? published : []) {
            if (series <= horizonMs) seen.add(series);
            else if (seen.has(series)) return false;
          }
          shown += seen.size;
          break;
        }
        case 'crash':
          log = createLog();
          log.restore(saved.clients, saved.series.at(-1) ?? 0);
          published = saved.series;
          isPublished = false;
          cycle = undefined;
          crashes++;
          break;
      }
    }
    return true;
  });
  fc.assert(property, { numRuns: 1000 });
  t.ok(shown > 1000 && crashes > 1000);
});
