import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  DataPointType,
  type DataPoint,
  type MetricData,
  type MetricProducer,
  type MetricReader,
} from '@opentelemetry/sdk-metrics';
import type { Log } from '../runtime/log.ts';
import { ConnectionPoint } from './connection-producer.ts';
import { RenderedPage, answer } from './rendered-page.ts';
import { ScrapeLog } from './scrape-log.ts';

interface Options {
  /** `takenAtMs`: when the snapshot that it hands over was taken, in ms since the epoch. */
  readonly producer: MetricProducer & { readonly takenAtMs: number };
  readonly pollIntervalMs: number;
  readonly log: Log;
  /** Ms since the epoch. */
  readonly now?: () => number;
}

interface Rendering {
  readonly horizonMs: number;
  readonly seenAtMs: number;
  readonly page: Promise<RenderedPage>;
}

/**
 * GET /metrics. The stock exporter is the reader and the stock serialiser writes the text; in between
 * stands what they lack: new counters are held at 0 (see ScrapeLog), concurrent scrapes share one
 * rendering, gzip, the full content type, and a failed collection is a failed scrape.
 */
export class PrometheusPage {
  /** For the MeterProvider; until it has one, there is no page. */
  readonly reader: MetricReader;
  readonly #producer: Options['producer'];
  readonly #serializer: PrometheusSerializer;
  readonly #scrapes: ScrapeLog;
  readonly #log: Log;
  readonly #now: () => number;
  #shared: Rendering | undefined;

  constructor({ producer, pollIntervalMs, log, now = Date.now }: Options) {
    this.reader = new PrometheusExporter({
      preventServerStart: true,
      metricProducers: [producer],
    });
    this.#producer = producer;
    this.#serializer = createSerializer();
    this.#scrapes = new ScrapeLog({ pollIntervalMs });
    this.#log = log;
    this.#now = now;
  }

  /** Answers one scrape; a failure is logged and answered with 500, never thrown. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = request.socket.remoteAddress ?? '';
    const rendering = this.#share(this.#scrapes.horizonMs(address, this.#now()));
    if (await answer({ request, response }, rendering.page, this.#log)) {
      this.#scrapes.note(address, { nowMs: this.#now(), seenAtMs: rendering.seenAtMs });
    }
  }

  /** The page with all values as they are, nothing held: for one look, `khan agent --once`. */
  async render(): Promise<string> {
    const { text } = await this.#render(Number.POSITIVE_INFINITY);
    return text;
  }

  /**
   * A page that is being made serves all who come meanwhile, and those who had to wait while the
   * loop was busy with it. It must not show a client more than its own horizon allows.
   */
  #share(horizonMs: number): Rendering {
    if (this.#shared !== undefined && this.#shared.horizonMs <= horizonMs) return this.#shared;
    const rendering = {
      horizonMs,
      // Read before collecting: taken too early it holds a series longer, too late would lose one.
      seenAtMs: this.#producer.takenAtMs,
      page: this.#render(horizonMs).finally(() => {
        setImmediate(() => {
          if (this.#shared === rendering) this.#shared = undefined;
        });
      }),
    };
    this.#shared = rendering;
    return rendering;
  }

  async #render(horizonMs: number): Promise<RenderedPage> {
    const { resourceMetrics, errors } = await this.reader.collect();
    if (errors.length > 0) {
      throw new AggregateError(errors, `Cannot collect the metrics: ${errors.length} errors`);
    }
    const scopeMetrics = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map((metric) => inPrometheusWords(held(metric, horizonMs))),
    }));
    return new RenderedPage(this.#serializer.serialize({ ...resourceMetrics, scopeMetrics }));
  }
}

function createSerializer(): PrometheusSerializer {
  const prefix = undefined;
  const appendTimestamp = false;
  const resourceConstantLabels = undefined;
  const withoutTargetInfo = false;
  // khan has one scope: its two labels would be a tenth of the page and say nothing.
  const withoutScopeInfo = true;
  return new PrometheusSerializer(
    prefix,
    appendTimestamp,
    resourceConstantLabels,
    withoutTargetInfo,
    withoutScopeInfo,
  );
}

function held(metric: MetricData, horizonMs: number): MetricData {
  if (metric.dataPointType !== DataPointType.SUM || !metric.isMonotonic) return metric;
  const isHeld = (point: DataPoint<number>): boolean =>
    point instanceof ConnectionPoint && point.publishedAtMs > horizonMs;
  const dataPoints = metric.dataPoints.map((point) =>
    isHeld(point) ? { ...point, value: 0 } : point,
  );
  return { ...metric, dataPoints };
}

const UNIT_WORDS = new Map([
  ['s', 'seconds'],
  ['By', 'bytes'],
]);

/**
 * OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility", Metric Metadata: the unit
 * becomes a word at the end of the name, and annotations in braces are dropped. The stock serialiser
 * does neither; the Collector and Prometheus' own OTLP receiver do both, and one metric must not
 * have two names.
 */
function inPrometheusWords(metric: MetricData): MetricData {
  const { descriptor } = metric;
  const unit = UNIT_WORDS.get(descriptor.unit) ?? '';
  const isNamed = unit === '' || descriptor.name.endsWith(`_${unit}`);
  const name = isNamed ? descriptor.name : `${descriptor.name}_${unit}`;
  return { ...metric, descriptor: { ...descriptor, name, unit } };
}
