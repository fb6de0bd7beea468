import type { Counter, Histogram } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions';
import type { Inventory } from '../inventory/inventory.ts';

/** Why a request was not served, by status code. */
const RESULT_OF_STATUS = new Map([
  [200, 'success'],
  [400, 'invalid'],
  [413, 'too_large'],
  [415, 'unsupported'],
  [429, 'busy'],
  [503, 'not_synced'],
]);

/** What the controller says about itself. */
export class SelfMetrics {
  readonly #reader = new PrometheusExporter({ preventServerStart: true });
  readonly #serializer: PrometheusSerializer;
  readonly #provider: MeterProvider;
  readonly #requests: Counter;
  readonly #duration: Histogram;

  constructor({ inventory }: { readonly inventory: Inventory }) {
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
    meter
      .createObservableUpDownCounter('khan_controller_inventory_addresses', {
        unit: '{address}',
        description: 'Addresses of which the inventory knows the owner, ranges not counted',
      })
      .addCallback((result) => result.observe(inventory.size));
  }

  /** One request is over; it has no status when its sender went away. */
  resolved(request: { readonly status: number | undefined; readonly durationMs: number }): void {
    const { status, durationMs } = request;
    const result = status === undefined ? 'aborted' : (RESULT_OF_STATUS.get(status) ?? 'failure');
    this.#requests.add(1, { result });
    this.#duration.record(durationMs / 1000);
  }

  /** In the Prometheus text format. Unlike the exporter's own handler, it rejects when a collection fails. */
  async render(): Promise<string> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw new AggregateError(errors, 'Cannot collect the metrics');
    return this.#serializer.serialize(resourceMetrics);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#provider.shutdown();
  }
}
