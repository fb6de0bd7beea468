import * as fc from 'fast-check';
import t from 'tap';
import { ScrapeLog } from '../../src/telemetry/scrape-log.ts';

const POLL_INTERVAL_MS = 30_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function createLog(): ScrapeLog {
  return new ScrapeLog({ pollIntervalMs: () => POLL_INTERVAL_MS });
}

t.test('for a client that never came before, a series is held for one poll interval', async (t) => {
  t.equal(createLog().horizonMs('10.0.0.1', 100_000), 70_000);
});

t.test('a client is shown no more than it has seen at 0', async (t) => {
  const log = createLog();
  log.note('10.0.0.1', { nowMs: 100_000, seenAtMs: 90_000 });
  t.equal(log.horizonMs('10.0.0.1', 10 * MINUTE_MS), 90_000);
});

t.test('what one client has seen does not hold back another', async (t) => {
  const log = createLog();
  log.note('10.0.0.1', { nowMs: 100_000, seenAtMs: 90_000 });
  log.note('10.0.0.1', { nowMs: 130_000, seenAtMs: 120_000 });
  t.equal(log.horizonMs('10.0.0.2', 200_000), 170_000);
});

t.test('a client that has been away for more than an hour is new again', async (t) => {
  const log = createLog();
  log.note('10.0.0.1', { nowMs: 0, seenAtMs: 0 });
  t.equal(log.horizonMs('10.0.0.1', HOUR_MS), 0);
  t.equal(log.horizonMs('10.0.0.1', HOUR_MS + 1), HOUR_MS + 1 - POLL_INTERVAL_MS);
});

t.test('of more than sixteen clients, the one that came longest ago is forgotten', async (t) => {
  const log = createLog();
  for (let client = 0; client < 17; client += 1) {
    log.note(`10.0.0.${client}`, { nowMs: 100_000, seenAtMs: client });
  }
  t.equal(log.horizonMs('10.0.0.0', 100_000), 70_000);
  t.equal(log.horizonMs('10.0.0.1', 100_000), 1);
});

t.test('what a client was shown is not held again when the poll interval grows', async (t) => {
  let pollIntervalMs = POLL_INTERVAL_MS;
  const log = new ScrapeLog({ pollIntervalMs: () => pollIntervalMs });
  t.equal(log.horizonMs('10.0.0.1', 200_000), 170_000);
  pollIntervalMs = 5 * MINUTE_MS;
  t.equal(log.horizonMs('10.0.0.2', 210_000), 170_000);
  t.equal(log.horizonMs('10.0.0.2', 500_000), 200_000);
});

/** One step of a history: time passes, then a snapshot, its publication, or a scrape. */
const step = fc.record({
  passedMs: fc.oneof(fc.nat(2000), fc.nat(40_000), fc.nat(7 * MINUTE_MS)),
  act: fc.oneof(
    fc.constant({ kind: 'snapshot' as const }),
    fc.constant({ kind: 'publish' as const }),
    fc.record({
      kind: fc.constant('scrape' as const),
      client: fc.nat(2),
      isDelivered: fc.boolean(),
      renderMs: fc.nat(3000),
    }),
  ),
});

t.test('whoever has scraped before a series began sees it at 0 before its value', async (t) => {
  let valuesSeen = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (history) => {
      const log = createLog();
      let nowMs = 1_000_000;
      let takenAtMs: number | undefined;
      const published: number[] = []; // publishedAtMs of the series, all with a value above 0
      const scrapedAtMs = new Map<string, number>();
      const seenAtZero = new Map<string, Set<number>>();
      const bornBefore = new Map<string, number>();
      for (const { passedMs, act } of history) {
        nowMs += passedMs;
        if (act.kind === 'snapshot') takenAtMs = nowMs;
        else if (act.kind === 'publish') {
          if (takenAtMs !== undefined && takenAtMs !== published.at(-1)) published.push(takenAtMs);
        } else {
          const client = `client ${act.client}`;
          const horizonMs = log.horizonMs(client, nowMs);
          const page = [...published];
          nowMs += act.renderMs;
          if (!act.isDelivered) continue;
          log.note(client, { nowMs, seenAtMs: page.at(-1) ?? Number.NEGATIVE_INFINITY });
          const isNew = nowMs - (scrapedAtMs.get(client) ?? Number.NEGATIVE_INFINITY) > HOUR_MS;
          scrapedAtMs.set(client, nowMs);
          if (isNew) {
            bornBefore.set(client, page.length);
            seenAtZero.set(client, new Set());
            continue;
          }
          for (const publishedAtMs of page.slice(bornBefore.get(client))) {
            if (publishedAtMs > horizonMs) seenAtZero.get(client)?.add(publishedAtMs);
            else {
              valuesSeen += 1;
              if (!seenAtZero.get(client)?.has(publishedAtMs)) return false;
            }
          }
        }
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.ok(valuesSeen > 1000, 'the histories do reach values');
});

t.test(
  'after a poll interval and one more scrape, a series has its value for whoever scraped',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60_000), { minLength: 1, maxLength: 16 }), (offsetsMs) => {
        const log = createLog();
        const publishedAtMs = 10 * MINUTE_MS;
        for (const round of [0, 1, 2]) {
          for (const [client, offsetMs] of offsetsMs.entries()) {
            const nowMs = (8 + round) * MINUTE_MS + offsetMs;
            const seenAtMs = nowMs >= publishedAtMs ? publishedAtMs : 0;
            log.note(String(client), { nowMs, seenAtMs });
          }
        }
        return offsetsMs.every(
          (_, client) => log.horizonMs(String(client), 12 * MINUTE_MS) >= publishedAtMs,
        );
      }),
    );
  },
);
