import t, { type Test } from 'tap';
import { createNoopLogger } from '@opentelemetry/api';
import { LeakReport, leakSentence } from '../../src/telemetry/leak-report.ts';
import { leakEvent } from '../builders/leak-event.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { otlpReceiver, plain } from '../fakes/otlp-receiver.ts';

const SENTENCE =
  'shop/cart leaks 3.1 connections a minute to shop/db:5432 since 2026-11-26T14:02Z: 412 open, 96 % idle';
const EVIDENCE = {
  leak_state: 'began',
  leak_reason: 'idle',
  leak_score: 0.988,
  leak_rate: 3.123,
  leak_since: '2026-11-26T14:02:00.000Z',
  leak_open: 412,
  leak_idle_share: 0.96,
  leak_half_closed_share: 0,
};

async function started(
  t: Test,
  variables: Readonly<Record<string, string>>,
  otlpNames: 'khan' | 'standard' = 'khan',
) {
  const { telemetry, lines } = await startedTelemetry(t, variables, { otlpNames });
  const { log, lines: told } = capturedLog();
  const report = new LeakReport({ logger: telemetry.logger, otlpNames, log });
  return { telemetry, report, told, lines };
}

t.test('a leak in a sentence', async (t) => {
  t.equal(leakSentence(leakEvent()), SENTENCE);
  const half = { reason: 'half_closed', halfClosedShare: 0.4 } as const;
  t.equal(
    leakSentence(leakEvent({ verdict: { ...half, closedBy: 'server' } })),
    'shop/cart does not close what shop/db:5432 has closed since 2026-11-26T14:02Z: ' +
      '412 open, 96 % idle, 40 % closed by the server only',
  );
  t.match(
    leakSentence(leakEvent({ verdict: { ...half, closedBy: 'client' } })),
    /^shop\/db:5432 does not close what shop\/cart has closed since .* by the client only$/,
  );
  t.equal(
    leakSentence(leakEvent({ kind: 'ended' })),
    'shop/cart leaks no more connections to shop/db:5432: 412 open, 96 % idle',
  );
  t.match(
    leakSentence(leakEvent({ verdict: { ratePerMinute: 1234 } })),
    /^shop\/cart leaks 1200 connections a minute/,
  );
});

t.test('who has no name has an address, and who has none is somebody', async (t) => {
  const labels = { src_ip: '192.0.2.1', dst_name: 'db-0', dst_ns: 'shop' };
  t.match(leakSentence(leakEvent({ labels })), /^192\.0\.2\.1 leaks .* to shop\/db-0 since/);
  t.match(leakSentence(leakEvent({ labels: {} })), /^somebody leaks .* to somebody since/);
});

t.test('the log has it without any collector, as a warning, and its end', async (t) => {
  const { log, lines } = capturedLog();
  const report = new LeakReport({ logger: createNoopLogger(), otlpNames: 'khan', log });
  report.tell([leakEvent(), leakEvent({ kind: 'ended' })]);
  t.match(lines, [
    { level: 40, event: 'khan.connection.leak', src_app: 'cart', ...EVIDENCE, msg: SENTENCE },
    { level: 30, leak_state: 'ended', msg: /leaks no more/ },
  ]);
});

t.test('of two tables the one tells that counts the connection', async (t) => {
  const { log, lines } = capturedLog();
  const report = new LeakReport({ logger: createNoopLogger(), otlpNames: 'khan', log });
  report.tell([leakEvent({ labels: { primary: false } })]);
  t.strictSame(lines, []);
});

for (const [protocol, contentType] of [
  ['http/json', 'application/json'],
  ['http/protobuf', 'application/x-protobuf'],
] as const) {
  t.test(`${protocol}: a log event with the evidence, before the end`, async (t) => {
    const receiver = await otlpReceiver(t);
    const { telemetry, report } = await started(t, {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'tenant=blue',
    });
    report.tell([leakEvent({ verdict: { closedBy: 'server' } }), leakEvent({ kind: 'ended' })]);
    await telemetry.shutdown({ timeoutMs: 5000 });
    const [push] = receiver.logs;
    t.match(push, {
      contentType,
      headers: { tenant: 'blue' },
      resource: { 'service.name': 'khan-agent', 'k8s.node.name': 'node-a' },
    });
    const [began, ended] = push?.records ?? [];
    t.match(began, {
      eventName: 'khan.connection.leak',
      timeUnixNano: `${Date.UTC(2026, 10, 26, 15, 2)}000000`,
      severityNumber: 13,
      severityText: 'WARN',
      body: { stringValue: /^shop\/cart leaks 3\.1 connections a minute/ },
    });
    const { labels } = leakEvent();
    t.strictSame(plain(began?.attributes ?? []), { ...labels, ...EVIDENCE, closed_by: 'server' });
    t.match(ended, { severityNumber: 9, severityText: 'INFO' });
  });
}

t.test('with standard names', async (t) => {
  const receiver = await otlpReceiver(t);
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  const { telemetry, report } = await started(t, variables, 'standard');
  report.tell([leakEvent()]);
  await telemetry.shutdown({ timeoutMs: 5000 });
  const told = plain(receiver.logs[0]?.records[0]?.attributes ?? []);
  t.match(told, {
    'source.address': '10.1.0.7',
    'khan.source.app': 'cart',
    'destination.port': 5432,
    'khan.leak.rate': 3.123,
    'khan.leak.since': EVIDENCE.leak_since,
  });
  t.notOk('node' in told, 'the resource has it');
});

t.test('OTEL_LOGS_EXPORTER=none keeps events out of a collector that gets metrics', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, report, told } = await started(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    OTEL_LOGS_EXPORTER: 'none',
  });
  report.tell([leakEvent()]);
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.strictSame(receiver.logs, []);
  t.equal(told.length, 1);
});

t.test('events alone go to the endpoint that is for logs', async (t) => {
  const receiver = await otlpReceiver(t);
  const { telemetry, report } = await started(t, {
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.endpoint}/v1/logs`,
  });
  report.tell([leakEvent()]);
  await telemetry.shutdown({ timeoutMs: 5000 });
  t.equal(receiver.logs.length, 1);
  t.strictSame(receiver.pushes, [], 'and no metrics');
});

t.test('a collector that does not answer holds nobody up for longer than it may', async (t) => {
  const receiver = await otlpReceiver(t, { answer: () => {} });
  const { telemetry, report, lines } = await started(t, {
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.endpoint}/v1/logs`,
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: '500',
  });
  report.tell([leakEvent()]);
  await telemetry.shutdown({ timeoutMs: 100 });
  t.match(lines, [{ level: 40, msg: 'Cannot push the last log events within 100 ms' }]);
});
