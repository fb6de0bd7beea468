import { SettingsError } from '../runtime/settings.ts';
import {
  milliseconds,
  otlpFaults,
  otlpVariable,
  readOtlpSettings,
  readTemporality,
  valueOf,
  type Environment,
  type OtlpSettings,
  type Temporality,
} from './otlp-variables.ts';

const EXPORTERS = ['prometheus', 'otlp'] as const;

type Exporter = (typeof EXPORTERS)[number];

export interface OtelSettings {
  /** OTEL_SDK_DISABLED: nothing is measured and nothing exported. */
  readonly isDisabled: boolean;
  /** Empty when disabled, or when nothing but `none` was asked for. */
  readonly exporters: ReadonlySet<Exporter>;
  readonly exportIntervalMs: number;
  /** Of one batch. */
  readonly exportTimeoutMs: number;
  readonly otlp: OtlpSettings & { readonly temporality: Temporality };
  /** How log events are pushed; undefined where they are not. */
  readonly logs: OtlpSettings | undefined;
}

const EXPORT_INTERVAL = 'OTEL_METRIC_EXPORT_INTERVAL';
const EXPORT_TIMEOUT = 'OTEL_METRIC_EXPORT_TIMEOUT';

/** OpenTelemetry specification, "Periodic exporting MetricReader". */
const EXPORT_INTERVAL_DEFAULT_MS = 60_000;
const EXPORT_TIMEOUT_DEFAULT_MS = 30_000;

/**
 * Reads the standard OTEL_* variables that decide what is exported, and checks those that the
 * exporters read themselves: they would warn and go on with a default, to the wrong collector or without
 * its certificate. An empty variable counts as unset. The variables of an exporter that is off are
 * not looked at: they may be there for others.
 *
 * Throws a SettingsError that lists every fault.
 */
export function readOtelSettings(env: Environment): OtelSettings {
  const faults: string[] = [];
  const isDisabled = valueOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true';
  const exporters = isDisabled ? new Set<Exporter>() : readExporters(env, faults);
  const pushesLogs = !isDisabled && readLogsExporter(env, faults);
  let exportIntervalMs = EXPORT_INTERVAL_DEFAULT_MS;
  let exportTimeoutMs = EXPORT_TIMEOUT_DEFAULT_MS;
  if (exporters.has('otlp')) {
    faults.push(...otlpFaults(env, 'METRICS'));
    exportIntervalMs = readMilliseconds(env, EXPORT_INTERVAL, faults) ?? exportIntervalMs;
    const givenTimeoutMs = readMilliseconds(env, EXPORT_TIMEOUT, faults);
    exportTimeoutMs = givenTimeoutMs ?? Math.min(exportTimeoutMs, exportIntervalMs);
    if (exportTimeoutMs > exportIntervalMs) {
      faults.push(`${EXPORT_TIMEOUT}=${exportTimeoutMs}: longer than ${EXPORT_INTERVAL}`);
    }
  }
  if (pushesLogs) faults.push(...otlpFaults(env, 'LOGS'));
  // What is wrong for both signals is said once.
  if (faults.length > 0) throw new SettingsError([...new Set(faults)]);
  return {
    isDisabled,
    exporters,
    exportIntervalMs,
    exportTimeoutMs,
    otlp: { ...readOtlpSettings(env, 'METRICS'), temporality: readTemporality(env) },
    logs: pushesLogs ? readOtlpSettings(env, 'LOGS') : undefined,
  };
}

/** Unset: Prometheus, and OTLP as soon as somebody says where to. Set: exactly that list. */
function readExporters(env: Environment, faults: string[]): ReadonlySet<Exporter> {
  const given = valueOf(env, 'OTEL_METRICS_EXPORTER');
  if (given === undefined) {
    const endpoint = otlpVariable(env, 'METRICS', 'ENDPOINT');
    return new Set(endpoint === undefined ? ['prometheus'] : EXPORTERS);
  }
  const names = given.split(',').map((name) => name.trim());
  const exporters = new Set<Exporter>();
  for (const name of names) {
    const exporter = EXPORTERS.find((one) => one === name);
    if (exporter !== undefined) exporters.add(exporter);
    else if (name !== 'none') {
      faults.push(`OTEL_METRICS_EXPORTER=${given}: not a list of prometheus, otlp, none`);
    }
  }
  if (names.includes('none') && names.length > 1) {
    faults.push(`OTEL_METRICS_EXPORTER=${given}: none stands alone`);
  }
  return exporters;
}

/** Unset: OTLP as soon as somebody says where to. */
function readLogsExporter(env: Environment, faults: string[]): boolean {
  const given = valueOf(env, 'OTEL_LOGS_EXPORTER');
  if (given === undefined) return otlpVariable(env, 'LOGS', 'ENDPOINT') !== undefined;
  if (given !== 'otlp' && given !== 'none') {
    faults.push(`OTEL_LOGS_EXPORTER=${given}: not otlp or none`);
  }
  return given === 'otlp';
}

function readMilliseconds(env: Environment, name: string, faults: string[]): number | undefined {
  const value = valueOf(env, name);
  if (value === undefined) return undefined;
  const fault = milliseconds(value);
  if (fault === undefined) return Number(value);
  faults.push(`${name}=${value}: ${fault}`);
  return undefined;
}
