import type { DiagLogger } from '@opentelemetry/api';
import type { Log } from '../runtime/log.ts';

/** A collector that is away makes the SDK say the same after every push. */
const QUIET_MS = 10 * 60_000;
const MESSAGES_MAX = 64;
/** OTLP exporter 0.301, before the partial success of the answer as JSON. */
const PARTIAL_SUCCESS = 'Received Partial Success response:';

interface Said {
  readonly atMs: number;
  repeated: number;
}

/**
 * What the OpenTelemetry SDK has to say, in the log: the same message, numbers aside, once in ten
 * minutes, with how often it came meanwhile. Below a warning the SDK is not listened to.
 */
export function diagLogger({
  log,
  onRejected,
  now = Date.now,
}: {
  readonly log: Log;
  /** The SDK has no other way to tell of an OTLP partial success than to log it. */
  readonly onRejected?: (points: number) => void;
  readonly now?: () => number;
}): DiagLogger {
  const said = new Map<string, Said>();
  const limited =
    (level: 'warn' | 'error') =>
    (...parts: unknown[]): void => {
      const rejected = rejectedPoints(parts);
      if (rejected > 0) onRejected?.(rejected);
      const message = parts.map(readable).join(' ');
      const key = message.replaceAll(/\d+/g, '#');
      const last = said.get(key);
      const nowMs = now();
      if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
        last.repeated += 1;
        return;
      }
      said.delete(key);
      said.set(key, { atMs: nowMs, repeated: 0 });
      const [oldest] = said.keys();
      if (said.size > MESSAGES_MAX && oldest !== undefined) said.delete(oldest);
      log[level]({ repeated: last?.repeated ?? 0 }, `OpenTelemetry: ${message}`);
    };
  return {
    error: limited('error'),
    warn: limited('warn'),
    info: ignore,
    debug: ignore,
    verbose: ignore,
  };
}

function ignore(): void {}

/** JSON writes a 64-bit integer as text. */
function rejectedPoints([message, answer]: readonly unknown[]): number {
  if (message !== PARTIAL_SUCCESS || typeof answer !== 'string') return 0;
  const { rejectedDataPoints }: { rejectedDataPoints?: unknown } = JSON.parse(answer);
  const points = Number(rejectedDataPoints);
  return Number.isSafeInteger(points) ? points : 0;
}

/** The SDK's error handler writes an exception as JSON of all its properties, the stack among them. */
function readable(part: unknown): string {
  if (part instanceof Error) return part.message;
  const text = String(part);
  try {
    const parsed: unknown = JSON.parse(text);
    const isException = typeof parsed === 'object' && parsed !== null && 'message' in parsed;
    return isException ? String(parsed.message) : text;
  } catch {
    return text; // not JSON: it is meant to be read
  }
}
