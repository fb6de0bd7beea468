/** What a Collector's file exporter has written, one OTLP/JSON request a line, as samples of a page. */
import { existsSync, readFileSync } from 'node:fs';
import type { Sample } from '../../src/telemetry/samples.ts';

/** 64-bit integers are text. */
interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string;
    readonly boolValue?: boolean;
  };
}

interface NumberPoint {
  readonly attributes?: readonly KeyValue[];
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano: string;
  readonly asInt?: string;
  readonly asDouble?: number;
}

interface Points {
  readonly dataPoints?: readonly NumberPoint[];
}

interface Metric {
  readonly name: string;
  readonly gauge?: Points;
  readonly sum?: Points & {
    readonly aggregationTemporality: number;
    readonly isMonotonic?: boolean;
  };
}

interface ExportRequest {
  readonly resourceMetrics?: readonly {
    readonly resource: { readonly attributes?: readonly KeyValue[] };
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One point of a sum or a gauge. */
export interface Point {
  readonly metric: string;
  readonly kind: 'gauge' | 'cumulative' | 'delta';
  readonly isMonotonic: boolean;
  readonly resource: Attributes;
  readonly attributes: Attributes;
  readonly value: number;
  readonly startNano: bigint;
  readonly timeNano: bigint;
}

/** Points of khan's sums and gauges, in the order in which they were written. */
export function pointsIn(file: string): readonly Point[] {
  if (!existsSync(file)) return [];
  // The last line may not be whole yet.
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.flatMap((line) => pointsOf(JSON.parse(line)));
}

function pointsOf({ resourceMetrics = [] }: ExportRequest): readonly Point[] {
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .filter(({ name }) => name.startsWith('khan_'))
      .flatMap(
        (metric) =>
          (metric.sum ?? metric.gauge)?.dataPoints?.map((point) => ({
            metric: metric.name,
            ...kindOf(metric),
            resource: plain(resource.attributes),
            attributes: plain(point.attributes),
            value: Number(point.asInt ?? point.asDouble ?? 0),
            startNano: BigInt(point.startTimeUnixNano ?? 0),
            timeNano: BigInt(point.timeUnixNano),
          })) ?? [],
      ),
  );
}

function kindOf({ sum }: Metric): Pick<Point, 'kind' | 'isMonotonic'> {
  if (sum === undefined) return { kind: 'gauge', isMonotonic: false };
  // AggregationTemporality of metrics.proto.
  const kind = sum.aggregationTemporality === 1 ? 'delta' : 'cumulative';
  return { kind, isMonotonic: sum.isMonotonic === true };
}

function plain(attributes: readonly KeyValue[] = []): Attributes {
  // A scraping Collector has another order each time.
  const inOrder = attributes.toSorted((a, b) => a.key.localeCompare(b.key));
  return Object.fromEntries(
    inOrder.map(({ key, value: { stringValue, intValue, boolValue } }) => [
      key,
      stringValue ?? boolValue ?? Number(intValue),
    ]),
  );
}

/** The state that points lead to: increments are summed up, of all others the last one counts. */
export function samplesOf(points: readonly Point[]): readonly Sample[] {
  const samples = new Map<string, Sample>();
  for (const { metric, kind, isMonotonic, resource, attributes, value } of points) {
    const labels = Object.entries(attributes).map(([name, each]) => [name, String(each)]);
    const key = JSON.stringify([metric, resource, labels]);
    const before = kind === 'delta' ? (samples.get(key)?.value ?? 0) : 0;
    samples.set(key, {
      name: isMonotonic ? `${metric}_total` : metric,
      labels: Object.fromEntries(labels),
      value: before + value,
    });
  }
  return [...samples.values()];
}
