/**
 * One way to make a Prometheus page, in a process of its own: its memory is its own. Told `next`, it
 * publishes new values and measures from there on; told `measure`, it says what that took.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { defaultResource } from '@opentelemetry/resources';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Counter, Gauge, Registry } from 'prom-client';
import { createLog } from '../../src/runtime/log.ts';
import { choice, integer, readSettings } from '../../src/runtime/settings.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { METRIC } from '../../src/telemetry/metric-names.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import type { SeriesBuilder } from '../builders/series.ts';
import { LoopBlock } from './loop-block.ts';
import { POINTS_PER_SERIES, seriesOf } from './many-series.ts';
import { CLOSED, OPENED } from '../../src/connections/measure.ts';
import { countsOf, publicationOf, valueOf } from '../builders/series.ts';

export interface Measured {
  /** From the request to the head of the answer: the page is made, and compressed. */
  readonly made_ms: number;
  readonly cpu_ms: number;
  readonly block_ms: number;
  readonly rss_peak_mb: number;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const settings = {
  by: choice({ choices: ['khan', 'stock', 'prom-client'], default: 'khan', description: 'Whose' }),
  series: integer({ default: 1000, min: 4, max: 10_000_000, description: 'Samples of a page' }),
} as const;
const { by, series } = readSettings(settings, process.argv.slice(2), {});
const all = Array.from({ length: Math.ceil(series / POINTS_PER_SERIES) }, (_, at) => seriesOf(at));
const { handle, publish } = by === 'prom-client' ? promClient() : openTelemetry(by === 'khan');

let takenAtMs = 1_000_000;
let cpu = process.cpuUsage();
const block = LoopBlock.watch();
let madeMs = 0;

process.on('message', (wish) => void obey(wish));
process.once('disconnect', () => process.exit());
const server = createServer(timed).listen(0, '127.0.0.1', () => process.send?.(server.address()));

async function obey(wish: unknown): Promise<void> {
  process.send?.(wish === 'next' ? await next() : measure());
}

async function next(): Promise<string> {
  takenAtMs += 30_000;
  for (const one of all) {
    one.set(OPENED, valueOf(one, OPENED) + 2);
    one.set(CLOSED, valueOf(one, CLOSED) + 1);
  }
  await publish();
  block.take();
  cpu = process.cpuUsage();
  return 'ready';
}

/** All of them write their head when the page is made. */
function timed(request: IncomingMessage, response: ServerResponse): void {
  const began = performance.now();
  const writeHead = response.writeHead.bind(response);
  const noted = (...head: unknown[]): unknown => {
    madeMs = performance.now() - began;
    return Reflect.apply(writeHead, undefined, head);
  };
  Object.defineProperty(response, 'writeHead', { value: noted });
  handle(request, response);
}

function measure(): Measured {
  const { user, system } = process.cpuUsage(cpu);
  return {
    made_ms: madeMs,
    cpu_ms: (user + system) / 1000,
    block_ms: block.take().ms,
    rss_peak_mb: (process.resourceUsage().maxRSS * 1024) / 1e6,
  };
}

function openTelemetry(isKhan: boolean): { handle: Handler; publish: () => Promise<void> | void } {
  const producer = new ConnectionProducer({ nodeName: 'node-a', version: '0' });
  const log = createLog({ name: 'bench', level: 'warn' });
  const page = new PrometheusPage({ producer, pollIntervalMs: () => 1, log });
  const stock = new PrometheusExporter({
    preventServerStart: true,
    metricProducers: [producer],
    withoutScopeInfo: true,
  });
  const reader = isKhan ? page.reader : stock;
  void new MeterProvider({ resource: defaultResource(), readers: [reader] });
  return {
    handle: isKhan
      ? (request, response) => void page.handle(request, response)
      : (request, response) => stock.getMetricsRequestHandler(request, response),
    publish: async () =>
      producer.publish(publicationOf(takenAtMs, ...all), { entries: 1, limit: undefined }),
  };
}

/** The same samples, kept as prom-client keeps them. */
function promClient(): { handle: Handler; publish: () => Promise<void> | void } {
  const registry = new Registry();
  const labelNames = Object.keys(all[0]?.labels ?? {});
  const help = 'The same';
  const registers = [registry];
  const counterOf = (name: string) =>
    new Counter({ name: `${name}_total`, help, labelNames, registers });
  const opened = counterOf(METRIC.connection.name);
  const closed = counterOf(METRIC.connectionClosed.name);
  const active = new Gauge({
    name: METRIC.connectionActive.name,
    help,
    labelNames: [...labelNames, 'state'],
    registers,
  });
  const texts = all.map(labelsOf);
  return {
    handle: (_request, response) => void (async () => response.end(await registry.metrics()))(),
    publish() {
      for (const [at, one] of all.entries()) {
        opened.inc(texts[at]!, 2);
        closed.inc(texts[at]!, 1);
        for (const [state, count] of countsOf(one).active)
          active.set({ ...texts[at]!, state }, count);
      }
    },
  };
}

function labelsOf({ labels }: SeriesBuilder): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}
