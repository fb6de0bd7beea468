import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  DataPointType,
  type MetricData,
  type MetricProducer,
  type MetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import type { Log } from '../runtime/log.ts';
import { ChunkPool } from './chunk-pool.ts';
import { encodeFamilies, type Family } from './connection-lines.ts';
import { metricOf } from './connection-metrics.ts';
import {
  chooseFormat,
  contentType,
  endOf,
  fromText,
  metadataOf,
  type Format,
} from './exposition.ts';
import { LabelParts } from './label-parts.ts';
import { PageBudget, RenderedPage, answer } from './rendered-page.ts';
import { ScrapeLog } from './scrape-log.ts';
import type { SignalColumns } from './signal-columns.ts';

/** Characters of a user agent that tell clients apart. */
const USER_AGENT_MAX = 128;

interface Options {
  readonly producer: {
    /** When the snapshot that it hands over was taken, in ms since the epoch. */
    readonly takenAtMs: number;
    readonly columns: readonly SignalColumns[];
    readonly others: MetricProducer;
  };
  readonly pollIntervalMs: number;
  /** Tell in OpenMetrics since when each counter has counted: it doubles their lines. */
  readonly createdTimestamps?: boolean;
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
 * GET /metrics. The stock exporter is the reader, and the stock serialiser writes khan's own metrics; the
 * connection metrics, of which there may be 100,000 series, are written here, equal to what it would
 * write. What else it lacks: new counters are held at 0 (see ScrapeLog), OpenMetrics, concurrent scrapes
 * share one rendering, gzip, the full content type, and a failed collection is a failed scrape.
 */
export class PrometheusPage {
  /** For the MeterProvider; until it has one, there is no page. */
  readonly reader: MetricReader;
  readonly scrapes: ScrapeLog;
  readonly #options: Required<Options>;
  readonly #serializer = createSerializer();
  readonly #encoding = { labels: new LabelParts(), pool: new ChunkPool() };
  readonly #shared = new Map<Format, Rendering>();
  readonly #budget = new PageBudget();

  constructor(options: Options) {
    this.#options = { createdTimestamps: false, now: Date.now, ...options };
    const { producer, pollIntervalMs } = this.#options;
    this.reader = new PrometheusExporter({
      preventServerStart: true,
      metricProducers: [producer.others],
    });
    this.scrapes = new ScrapeLog({ pollIntervalMs });
  }

  /** Answers one scrape; a failure is logged and answered with 500, never thrown. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { now, log } = this.#options;
    const client = clientOf(request);
    const format = chooseFormat(request.headers.accept);
    const rendering = this.#share(format, this.scrapes.horizonMs(client, now()));
    if (await answer({ request, response }, rendering.page, log)) {
      this.scrapes.note(client, { nowMs: now(), seenAtMs: rendering.seenAtMs });
    }
  }

  /** The page with all values as they are, nothing held: for one look, `khan agent --once`. */
  async render(): Promise<string> {
    const page = await this.#render('text', Number.POSITIVE_INFINITY);
    const { text } = page;
    page.letGo();
    return text;
  }

  /**
   * A page that is being made serves all who come meanwhile, and those who had to wait while the
   * loop was busy with it. It must not show a client more than its own horizon allows.
   */
  #share(format: Format, horizonMs: number): Rendering {
    const shared = this.#shared.get(format);
    if (shared !== undefined && shared.horizonMs <= horizonMs) return shared;
    const page = this.#render(format, horizonMs);
    // Read before collecting: taken too early it holds a series longer, too late would lose one.
    const rendering = { horizonMs, seenAtMs: this.#options.producer.takenAtMs, page };
    this.#shared.set(format, rendering);
    const end = (made?: RenderedPage): void => {
      if (this.#shared.get(format) === rendering) this.#shared.delete(format);
      made?.letGo();
    };
    page.then(
      (made) => setImmediate(end, made),
      () => setImmediate(end),
    );
    return rendering;
  }

  async #render(format: Format, horizonMs: number): Promise<RenderedPage> {
    return this.#budget.make((onUnused) => this.#encode(format, horizonMs, onUnused));
  }

  async #encode(format: Format, horizonMs: number, onUnused: () => void): Promise<RenderedPage> {
    const { resourceMetrics, errors } = await this.reader.collect();
    if (errors.length > 0) {
      throw new AggregateError(errors, `Cannot collect the metrics: ${errors.length} errors`);
    }
    const columns = this.#options.producer.columns.filter(({ rows }) => rows > 0);
    const connections = await encodeFamilies(
      columns.map((ofSignal) => this.#family(ofSignal, format, horizonMs)),
      this.#encoding,
    );
    const own = fromText(this.#serializer.serialize(allInPrometheusWords(resourceMetrics)), format);
    return new RenderedPage(
      [Buffer.from(own), ...connections.bytes, Buffer.from(endOf(format))],
      contentType(format),
      () => {
        onUnused();
        this.#encoding.pool.give(connections.chunks);
      },
    );
  }

  #family(columns: SignalColumns, format: Format, horizonMs: number): Family {
    const metric = inPrometheusWords(metricOf(columns.signal, []));
    const { name, description: help } = metric.descriptor;
    const isMonotonic = metric.dataPointType === DataPointType.SUM && metric.isMonotonic;
    const hasCreated = format === 'openmetrics' && this.#options.createdTimestamps;
    return {
      metadata: metadataOf({ name, help, type: isMonotonic ? 'counter' : 'gauge' }, format),
      sampleName: isMonotonic ? `${name}_total` : name,
      columns,
      valueOf: ({ values, series }, row) =>
        isMonotonic && series[row]!.publishedAtMs > horizonMs ? 0 : values[row]!,
      createdName: isMonotonic && hasCreated ? `${name}_created` : undefined,
    };
  }
}

/** Whoever looks from the host of a Prometheus, such as `khan top`, is another client than that. */
function clientOf({ socket, headers }: IncomingMessage): string {
  const program = headers['user-agent'] ?? '';
  return `${socket.remoteAddress} ${program.slice(0, USER_AGENT_MAX)}`;
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

function allInPrometheusWords({ resource, scopeMetrics }: ResourceMetrics): ResourceMetrics {
  return {
    resource,
    scopeMetrics: scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(inPrometheusWords),
    })),
  };
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
