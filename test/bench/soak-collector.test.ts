import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { LeakReport } from '../../src/telemetry/leak-report.ts';
import { leakEvent } from '../builders/leak-event.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { SoakCollector } from './soak-collector.ts';

const ANSWER_MS = 200;

t.test('each leak that begins counts, however many come in one request', async (t) => {
  await using collector = await SoakCollector.create();
  const { telemetry } = await startedTelemetry(t, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
  const { logger } = telemetry;
  const report = new LeakReport({ logger, otlpNames: 'khan', log: capturedLog().log });
  report.tell([leakEvent(), leakEvent({ kind: 'ended' }), leakEvent()]);
  await telemetry.shutdown({ timeoutMs: 5000 });

  t.equal(collector.sums.events, 2);
});

t.test('requests that wait are counted until they are answered or given up', async (t) => {
  await using collector = await SoakCollector.create({ answerMs: ANSWER_MS });
  const push = (signal?: AbortSignal) =>
    fetch(`${collector.url}/v1/metrics`, { method: 'POST', body: '{}', ...(signal && { signal }) });
  const until = async (sum: 'requests' | 'refused') => {
    while (collector.sums[sum] === 0) await delay(ANSWER_MS / 10);
  };
  const ending = new AbortController();
  const givenUp = t.rejects(push(ending.signal), { name: 'AbortError' });
  await until('requests');
  ending.abort();
  await givenUp;
  await until('refused');
  await push();

  t.equal(collector.sums.waitingMax, 1);
  t.equal(collector.sums.refused, 1);

  await Promise.all([push(), push()]);

  t.equal(collector.sums.waitingMax, 2);
  t.equal(collector.sums.requests, 4);
});
