/**
 * One way to push, in a process of its own: its memory is its own. Publishes so many points a round and
 * pushes them to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names; prints a JSON line.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { defaultResource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { createLog } from '../../src/runtime/log.ts';
import { choice, integer, readSettings } from '../../src/runtime/settings.ts';
import { overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { diagLogger } from '../../src/telemetry/diag-log.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { loadOtlpExporter } from '../../src/telemetry/otlp-exporter.ts';
import { createOtlpPush } from '../../src/telemetry/otlp-reader.ts';
import { OTLP_NAMES } from '../../src/telemetry/standard-names.ts';
import { longestBlock } from './loop-block.ts';
import { POINTS_PER_SERIES, seriesOf } from './many-series.ts';
import { CLOSED, OPENED } from '../../src/connections/measure.ts';
import { valueOf } from '../builders/series.ts';

const WARM_UP_ROUNDS = 2;
/** For what is left of the garbage of a round. */
const PAUSE_MS = 50;

const settings = {
  exporter: choice({ choices: ['khan', 'stock'], default: 'khan', description: 'Who pushes' }),
  'otlp-names': choice({
    choices: OTLP_NAMES,
    default: 'khan',
    description: 'Names that khan tells',
  }),
  series: integer({ default: 1000, min: 4, max: 10_000_000, description: 'Data points' }),
  rounds: integer({ default: 5, min: 1, max: 1000, description: 'Pushes' }),
  changing: integer({
    default: 100,
    min: 0,
    max: 100,
    unit: '%',
    description: 'Counters that grow',
  }),
  churn: integer({
    default: 0,
    min: 0,
    max: 100,
    unit: '%',
    description: 'Attribute sets that end between two pushes, and others come',
  }),
} as const;
const {
  exporter,
  'otlp-names': otlpNames,
  series: points,
  rounds,
  changing,
  churn,
} = readSettings(settings, process.argv.slice(2), {});

const otel = readOtelSettings(process.env);
const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
const log = createLog({ name: 'bench', level: churn > 0 ? 'fatal' : 'warn' });
diag.setLogger(diagLogger({ log }), { logLevel: DiagLogLevel.WARN });
const reader =
  exporter === 'khan'
    ? (
        await createOtlpPush({
          settings: otel,
          producer,
          describeOverflow: (primary) => overflowAttributes('node-a', primary),
          otlpNames,
        })
      ).reader
    : new PeriodicExportingMetricReader({
        exporter: await loadOtlpExporter(otel.otlp),
        metricProducers: [producer],
        exportIntervalMillis: otel.exportIntervalMs,
      });
const provider = new MeterProvider({ resource: defaultResource(), readers: [reader] });

let made = 0;
const all = Array.from({ length: Math.ceil(points / POINTS_PER_SERIES) }, () => seriesOf(made++));
let takenAtMs = 1_000_000;
const publish = async (): Promise<void> => {
  takenAtMs += 30_000;
  for (let at = 0; at < (all.length * changing) / 100; at++) {
    const one = all[at]!;
    one.set(OPENED, valueOf(one, OPENED) + 2);
    one.set(CLOSED, valueOf(one, CLOSED) + 1);
  }
  const ended = all.splice(0, (all.length * churn) / 100);
  all.push(...ended.map(() => seriesOf(made++)));
  await producer.publish(
    { takenAtMs, series: all, gauges: [], durations: [], ended },
    { entries: 1, limit: undefined },
  );
};

const samples: { ms: number; cpu_ms: number; block_ms: number; block_cpu_ms: number }[] = [];
const retainedMb: number[] = [];
let rssBefore = 0;
let firstBlockMs = 0;
for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
  await publish();
  if (round === -WARM_UP_ROUNDS) rssBefore = process.memoryUsage.rss();
  await delay(PAUSE_MS);
  const cpu = process.cpuUsage();
  const began = performance.now();
  const block = await longestBlock(() => reader.forceFlush());
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  if (round === -WARM_UP_ROUNDS) firstBlockMs = block.cpuMs;
  if (round < 0) continue;
  samples.push({
    ms,
    cpu_ms: (user + system) / 1000,
    block_ms: block.ms,
    block_cpu_ms: block.cpuMs,
  });
  if (round === rounds >> 1 || round === rounds - 1) {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    retainedMb.push((heapUsed + arrayBuffers) / 1e6);
  }
}
const result = {
  samples,
  first_block_cpu_ms: firstBlockMs,
  retained_mb: retainedMb,
  rss_before_mb: rssBefore / 1e6,
  rss_peak_mb: (process.resourceUsage().maxRSS * 1024) / 1e6,
  pushes: rounds + WARM_UP_ROUNDS,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
// What the reader would push at its end is not measured.
void provider;
process.exit();
