import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as pause } from 'node:timers/promises';
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
import {
  answer,
  chooseCoding,
  compress,
  PageBudget,
  RenderedPage,
  type Coding,
} from './rendered-page.ts';
import { ScrapeLog } from './scrape-log.ts';
import type { SignalColumns } from './signal-columns.ts';

/** Pieces between two pauses: some 4 ms. */
const SLICE_PIECES = 8;
/** Characters of a user agent that tell clients apart. */
const USER_AGENT_MAX = 128;

interface Options {
  readonly producer: {
    /** When the snapshot that it hands over was taken, in ms since the epoch. */
    readonly takenAtMs: number;
    readonly columns: readonly SignalColumns[];
    readonly others: MetricProducer;
  };
  /** In force now. */
  readonly pollIntervalMs: () => number;
  /** Tell in OpenMetrics since when each counter has counted: it doubles their lines. */
  readonly createdTimestamps?: boolean;
  readonly log: Log;
  /** Ms since the epoch. */
  readonly now?: () => number;
}

/** What clients must agree in to share a page. */
interface PageKind {
  readonly format: Format;
  readonly coding: Coding;
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
  /** By kind, as text. */
  readonly #shared = new Map<string, Rendering>();
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
    const kind = { format: chooseFormat(request.headers.accept), coding: chooseCoding(request) };
    const rendering = this.#share(kind, this.scrapes.horizonMs(client, now()));
    if (await answer(response, rendering.page, log)) {
      this.scrapes.note(client, { nowMs: now(), seenAtMs: rendering.seenAtMs });
    }
  }

  /** The page with all values as they are, nothing held: for one look, `khan agent --once`. */
  async render(): Promise<string> {
    const page = await this.#render(
      { format: 'text', coding: 'identity' },
      Number.POSITIVE_INFINITY,
    );
    const text = Buffer.concat(page.chunks).toString();
    page.letGo();
    return text;
  }

  /**
   * A page that is being made serves all who come meanwhile, and those who had to wait while the
   * loop was busy with it. It must not show a client more than its own horizon allows.
   */
  #share(kind: PageKind, horizonMs: number): Rendering {
    const key = `${kind.format} ${kind.coding}`;
    const shared = this.#shared.get(key);
    if (shared !== undefined && shared.horizonMs <= horizonMs) return shared;
    const page = this.#render(kind, horizonMs);
    // Read before collecting: taken too early it holds a series longer, too late would lose one.
    const rendering = { horizonMs, seenAtMs: this.#options.producer.takenAtMs, page };
    this.#shared.set(key, rendering);
    const end = (made?: RenderedPage): void => {
      if (this.#shared.get(key) === rendering) this.#shared.delete(key);
      made?.letGo();
    };
    page.then(
      (made) => setImmediate(end, made),
      () => setImmediate(end),
    );
    return rendering;
  }

  async #render(kind: PageKind, horizonMs: number): Promise<RenderedPage> {
    return this.#budget.make((onUnused) => this.#make(kind, horizonMs, onUnused));
  }

  async #make(kind: PageKind, horizonMs: number, onUnused: () => void): Promise<RenderedPage> {
    const { format, coding } = kind;
    const { pool } = this.#encoding;
    const { resourceMetrics, errors } = await this.reader.collect();
    if (errors.length > 0) {
      throw new AggregateError(errors, `Cannot collect the metrics: ${errors.length} errors`);
    }
    const pieces = this.#encode(resourceMetrics, format, horizonMs);
    if (coding === 'gzip') {
      const chunks = await compress(pieces, (piece) => pool.give([piece]));
      return new RenderedPage({ contentType: contentType(format), coding, chunks, onUnused });
    }
    const chunks: Uint8Array[] = [];
    for (const piece of pieces) {
      if (chunks.push(piece) % SLICE_PIECES === 0) await pause();
    }
    return new RenderedPage({
      contentType: contentType(format),
      coding,
      chunks,
      onUnused: () => {
        onUnused();
        pool.give(chunks);
      },
    });
  }

  *#encode(others: ResourceMetrics, format: Format, horizonMs: number): Generator<Uint8Array> {
    // Columns never change: all values are those of the moment in which this begins.
    const columns = this.#options.producer.columns.filter(({ rows }) => rows > 0);
    const families = columns.map((ofSignal) => this.#family(ofSignal, format, horizonMs));
    const text = this.#serializer.serialize(allInPrometheusWords(others));
    yield Buffer.from(fromText(text, format));
    yield* encodeFamilies(families, this.#encoding);
    yield Buffer.from(endOf(format));
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
      valueOf: isMonotonic
        ? (row) => (columns.seriesOf(row).publishedAtMs > horizonMs ? 0 : columns.values[row]!)
        : (row) => columns.values[row]!,
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
