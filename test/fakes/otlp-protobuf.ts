import type {
  ExportRequest,
  KeyValue,
  LogsRequest,
  NumberPoint,
  OtlpLogRecord,
  OtlpMetric,
} from './otlp-receiver.ts';

/** Values by field number: bytes of a message or text, or a number. */
type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

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

/** An ExportLogsServiceRequest (opentelemetry/proto/logs/v1/logs.proto) as OTLP/JSON. */
export function logsOfProtobuf(body: Buffer): LogsRequest {
  return {
    resourceLogs: messages(fieldsOf(body), 1).map((resourceLogs) => ({
      resource: {
        attributes: messages(resourceLogs, 1).flatMap((resource) => attributes(resource, 1)),
      },
      scopeLogs: messages(resourceLogs, 2).map((scope) => ({
        logRecords: messages(scope, 2).map(logRecordOf),
      })),
    })),
  };
}

function logRecordOf(record: Fields): OtlpLogRecord {
  return {
    eventName: text(record, 12),
    timeUnixNano: String(record.get(1)?.[0]),
    severityNumber: Number(record.get(2)?.[0]),
    severityText: text(record, 3),
    body: { stringValue: messages(record, 5).map((value) => text(value, 1))[0] ?? '' },
    attributes: attributes(record, 6),
  };
}

function attributes(message: Fields, field: number): KeyValue[] {
  return messages(message, field).map((pair) => {
    const [value] = messages(pair, 2);
    return { key: text(pair, 1), value: valueOf(value!) };
  });
}

/** AnyValue (opentelemetry/proto/common/v1/common.proto). */
function valueOf(value: Fields): KeyValue['value'] {
  const [flag, integer, double] = [2, 3, 4].map((field) => value.get(field)?.[0]);
  if (flag !== undefined) return { boolValue: flag === 1n };
  if (integer !== undefined) return { intValue: Number(integer) };
  if (double === undefined) return { stringValue: text(value, 1) };
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64LE(BigInt(String(double)));
  return { doubleValue: bits.readDoubleLE() };
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
  const fieldOf = (wireType: number): Buffer | bigint => {
    if (wireType === VARINT) return varint();
    if (wireType === FIXED64) return bytes.readBigUInt64LE((at += 8) - 8);
    if (wireType === FIXED32) return BigInt(bytes.readUInt32LE((at += 4) - 4));
    if (wireType !== BYTES) throw new TypeError(`wire type ${wireType}`);
    const length = Number(varint());
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, values);
    values.push(fieldOf(tag & 7));
  }
  return fields;
}
