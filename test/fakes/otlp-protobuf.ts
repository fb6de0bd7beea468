import type { ExportRequest, KeyValue, NumberPoint, OtlpMetric } from './otlp-receiver.ts';

/** Values by field number: bytes of a message or text, or a number. */
type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** An ExportMetricsServiceRequest (opentelemetry/proto/metrics/v1/metrics.proto) as OTLP/JSON. */
export function requestOfProtobuf(body: Buffer): ExportRequest {
  return {
    resourceMetrics: messages(fieldsOf(body), 1).map((resourceMetrics) => ({
      resource: {
        attributes: messages(resourceMetrics, 1).flatMap((resource) => attributes(resource, 1)),
      },
      scopeMetrics: messages(resourceMetrics, 2).map((scope) => ({
        metrics: messages(scope, 2).map(metricOf),
      })),
    })),
  };
}

function metricOf(metric: Fields): OtlpMetric {
  const [sum] = messages(metric, 7);
  return {
    name: text(metric, 1),
    description: text(metric, 2),
    unit: text(metric, 3),
    ...(sum && {
      sum: {
        dataPoints: messages(sum, 1).map(pointOf),
        aggregationTemporality: Number(sum.get(2)?.[0] ?? 0),
        isMonotonic: sum.get(3)?.[0] === 1n,
      },
    }),
  };
}

function pointOf(point: Fields): NumberPoint {
  return {
    attributes: attributes(point, 7),
    startTimeUnixNano: String(point.get(2)?.[0]),
    timeUnixNano: String(point.get(3)?.[0]),
    asInt: Number(point.get(6)?.[0]),
  };
}

function attributes(message: Fields, field: number): KeyValue[] {
  return messages(message, field).map((pair) => {
    const [value] = messages(pair, 2);
    const number = value?.get(3)?.[0];
    const flag = value?.get(2)?.[0];
    return {
      key: text(pair, 1),
      value:
        number === undefined
          ? flag === undefined
            ? { stringValue: text(value!, 1) }
            : { boolValue: flag === 1n }
          : { intValue: Number(number) },
    };
  });
}

function messages(message: Fields, field: number): Fields[] {
  return (message.get(field) ?? []).map((value) => {
    if (typeof value === 'bigint') throw new TypeError(`field ${field} is no message`);
    return fieldsOf(value);
  });
}

function text(message: Fields, field: number): string {
  return String(message.get(field)?.[0] ?? '');
}

function fieldsOf(bytes: Buffer): Fields {
  const fields = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const valueOf = (wireType: number): Buffer | bigint => {
    if (wireType === VARINT) return varint();
    if (wireType === FIXED64) return bytes.readBigUInt64LE((at += 8) - 8);
    if (wireType !== BYTES) throw new TypeError(`wire type ${wireType}`);
    const length = Number(varint());
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, values);
    values.push(valueOf(tag & 7));
  }
  return fields;
}
