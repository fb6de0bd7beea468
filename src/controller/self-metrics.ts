import type { Counter, Histogram, UpDownCounter } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { Interruption } from '../cluster/interruption.ts';
import type { ReflectorObserver, ReflectorStatus } from '../cluster/reflector-observer.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { ReviewResult } from './authenticate.ts';

/** Why a request was not served, by status code. */
const RESULT_OF_STATUS = new Map([
  [200, 'success'],
  [400, 'invalid'],
  [401, 'unauthorized'],
  [403, 'forbidden'],
  [413, 'too_large'],
  [415, 'unsupported'],
  [429, 'busy'],
  [503, 'unavailable'],
]);

/** What the controller says about itself. */
export class SelfMetrics implements ReflectorObserver {
  readonly #reader = new PrometheusExporter({ preventServerStart: true });
  readonly #serializer: PrometheusSerializer;
  readonly #provider: MeterProvider;
  readonly #requests: Counter;
  readonly #duration: Histogram;
  readonly #throttled: Counter;
  readonly #connections: UpDownCounter;
  readonly #reviews: Counter;
  readonly #events: Counter;
  readonly #lists: Counter;
  readonly #interruptions: Counter;
  readonly #rejected: Counter;

  constructor({
    inventory,
    state,
    statuses,
  }: {
    readonly inventory: Inventory;
    readonly state: () => { readonly stale: boolean };
    /** Of what watches the API server; none where nothing does. */
    readonly statuses: () => readonly ReflectorStatus[];
  }) {
    // Positions: prefix, timestamps, resource labels, without target_info, without scope labels.
    this.#serializer = new PrometheusSerializer('', false, undefined, false, true);
    this.#provider = new MeterProvider({
      resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: 'khan-controller' }),
      readers: [this.#reader],
    });
    const meter = this.#provider.getMeter('khan');
    this.#requests = meter.createCounter('khan_controller_resolve_requests', {
      unit: '{request}',
      description: 'Requests to resolve addresses, by result',
    });
    this.#duration = meter.createHistogram('khan_controller_resolve_duration', {
      unit: 's',
      description:
        'Duration of requests to resolve addresses, from their head to the last byte sent',
      advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10] },
    });
    this.#throttled = meter.createCounter('khan_controller_throttled_requests', {
      unit: '{request}',
      description: 'Requests to resolve addresses of a node that has asked too often',
    });
    this.#connections = meter.createUpDownCounter('khan_controller_connections', {
      unit: '{connection}',
      description: 'Connections of agents that are open',
    });
    meter
      .createObservableUpDownCounter('khan_controller_inventory_addresses', {
        unit: '{address}',
        description: 'Addresses of which the inventory knows the owner, ranges not counted',
      })
      .addCallback((result) => result.observe(inventory.size));
    meter
      .createObservableUpDownCounter('khan_controller_stale', {
        description: '1 while the API server is away, and what agents are told may be outdated',
      })
      .addCallback((result) => result.observe(Number(state().stale)));
    meter
      .createObservableUpDownCounter('khan_controller_objects', {
        unit: '{object}',
        description: 'Objects of the API server that own addresses, by kind',
      })
      .addCallback((result) => {
        for (const { kind, objects } of statuses()) result.observe(objects, { kind });
      });
    meter
      .createObservableGauge('khan_controller_last_contact', {
        unit: 's',
        description: 'Time since the API server was last heard of, by kind of object',
      })
      .addCallback((result) => {
        for (const { kind, lastContactMs } of statuses()) {
          if (lastContactMs === undefined) continue;
          result.observe((Date.now() - lastContactMs) / 1000, { kind });
        }
      });
    this.#reviews = meter.createCounter('khan_controller_token_reviews', {
      unit: '{review}',
      description: 'Tokens that the API server was asked about, by result',
    });
    this.#events = meter.createCounter('khan_controller_watch_events', {
      unit: '{event}',
      description: 'Events of watches, by kind of object and type of event',
    });
    this.#lists = meter.createCounter('khan_controller_lists', {
      unit: '{list}',
      description: 'Times that all objects were read, by kind, way and reason',
    });
    this.#interruptions = meter.createCounter('khan_controller_watch_interruptions', {
      unit: '{interruption}',
      description: 'Watches and lists that ended, by kind and reason',
    });
    this.#rejected = meter.createCounter('khan_controller_rejected_objects', {
      unit: '{object}',
      description: 'Objects of the API server that could not be understood, by kind',
    });
  }

  event(kind: string, type: string): void {
    this.#events.add(1, { kind, type });
  }

  listed(kind: string, how: { readonly by: string; readonly reason: string }): void {
    this.#lists.add(1, { kind, ...how });
  }

  interrupted(kind: string, reason: Interruption): void {
    this.#interruptions.add(1, { kind, reason });
  }

  rejected(kind: string): void {
    this.#rejected.add(1, { kind });
  }

  reviewed(result: ReviewResult): void {
    this.#reviews.add(1, { result });
  }

  /** One request is over; it has no status when its sender went away. */
  resolved(request: { readonly status: number | undefined; readonly durationMs: number }): void {
    const { status, durationMs } = request;
    const result = status === undefined ? 'aborted' : (RESULT_OF_STATUS.get(status) ?? 'failure');
    this.#requests.add(1, { result });
    this.#duration.record(durationMs / 1000);
  }

  /** One of the requests was refused because its node has asked too often. */
  throttled(): void {
    this.#throttled.add(1);
  }

  connected(): void {
    this.#connections.add(1);
  }

  disconnected(): void {
    this.#connections.add(-1);
  }

  /** Rejects when a part cannot be collected, unlike the exporter's own handler. */
  async collect(): Promise<ResourceMetrics> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'Cannot collect the metrics');
    return resourceMetrics;
  }

  /** In the Prometheus text format. */
  async render(): Promise<string> {
    return this.#serializer.serialize(await this.collect());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.shutdown();
  }
}
