import type { Meter } from '@opentelemetry/api';
import { AggregationTemporality, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** A meter, and what it says: values by name, and by attribute value where there is one. */
export function collectedMeter() {
  const reader = new Reader({
    aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE,
  });
  const meter: Meter = new MeterProvider({ readers: [reader] }).getMeter('khan');
  const values = async (): Promise<Record<string, unknown>> => {
    const { resourceMetrics } = await reader.collect();
    const metrics = resourceMetrics.scopeMetrics.flatMap((scope) => scope.metrics);
    return Object.fromEntries(
      metrics.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => [
          [descriptor.name, ...Object.values(attributes)].join(' '),
          typeof value === 'object' ? value.sum : value,
        ]),
      ),
    );
  };
  return { meter, values };
}
