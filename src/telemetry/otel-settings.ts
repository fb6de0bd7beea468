import { accessSync, constants } from 'node:fs';
import { SettingsError } from '../runtime/settings.ts';

const EXPORTERS = ['prometheus', 'otlp'] as const;

type Exporter = (typeof EXPORTERS)[number];

const PROTOCOLS = ['http/json', 'http/protobuf'] as const;
const TEMPORALITIES = ['cumulative', 'delta', 'lowmemory'] as const;

/** How the OTLP push speaks. */
export interface OtlpSettings {
  readonly protocol: (typeof PROTOCOLS)[number];
  readonly temporality: (typeof TEMPORALITIES)[number];
  /** Paths of PEM files. */
  readonly certificates: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
}

export interface OtelSettings {
  /** OTEL_SDK_DISABLED: nothing is measured and nothing exported. */
  readonly isDisabled: boolean;
  /** Empty when disabled, or when nothing but `none` was asked for. */
  readonly exporters: ReadonlySet<Exporter>;
  readonly exportIntervalMs: number;
  /** Of one batch. */
  readonly exportTimeoutMs: number;
  readonly otlp: OtlpSettings;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Says what is wrong with a value, or nothing. */
type Check = (value: string) => string | undefined;

const EXPORT_INTERVAL = 'OTEL_METRIC_EXPORT_INTERVAL';
const EXPORT_TIMEOUT = 'OTEL_METRIC_EXPORT_TIMEOUT';

/** OpenTelemetry specification, "Periodic exporting MetricReader". */
const EXPORT_INTERVAL_DEFAULT_MS = 60_000;
const EXPORT_TIMEOUT_DEFAULT_MS = 30_000;
/** Node runs a longer timer at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Variables of OTEL_EXPORTER_OTLP_* and OTEL_EXPORTER_OTLP_METRICS_*; the exporter reads them itself. */
const OTLP_CHECKS: Readonly<Record<string, Check>> = {
  ENDPOINT: httpUrl,
  PROTOCOL: oneOf(...PROTOCOLS),
  TEMPORALITY_PREFERENCE: oneOf(...TEMPORALITIES),
  // The exporter does not know them in capitals, and would not compress.
  COMPRESSION: exactly('none', 'gzip'),
  HEADERS: keyValueList,
  TIMEOUT: milliseconds,
  CERTIFICATE: readableFile,
  CLIENT_CERTIFICATE: readableFile,
  CLIENT_KEY: readableFile,
};

/**
 * Reads the standard OTEL_* variables that decide what is exported, and checks those that the
 * exporter reads itself: it would warn and go on with a default, to the wrong collector or without
 * its certificate. An empty variable counts as unset. The variables of an exporter that is off are
 * not looked at: they may be there for others.
 *
 * Throws a SettingsError that lists every fault.
 */
export function readOtelSettings(env: Environment): OtelSettings {
  const faults: string[] = [];
  const isDisabled = valueOf(env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true';
  const exporters = isDisabled ? new Set<Exporter>() : readExporters(env, faults);
  let exportIntervalMs = EXPORT_INTERVAL_DEFAULT_MS;
  let exportTimeoutMs = EXPORT_TIMEOUT_DEFAULT_MS;
  if (exporters.has('otlp')) {
    checkOtlp(env, faults);
    exportIntervalMs = readMilliseconds(env, EXPORT_INTERVAL, faults) ?? exportIntervalMs;
    const givenTimeoutMs = readMilliseconds(env, EXPORT_TIMEOUT, faults);
    exportTimeoutMs = givenTimeoutMs ?? Math.min(exportTimeoutMs, exportIntervalMs);
    if (exportTimeoutMs > exportIntervalMs) {
      faults.push(`${EXPORT_TIMEOUT}=${exportTimeoutMs}: longer than ${EXPORT_INTERVAL}`);
    }
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return { isDisabled, exporters, exportIntervalMs, exportTimeoutMs, otlp: otlpSettings(env) };
}

function otlpSettings(env: Environment): OtlpSettings {
  const valueFor = (suffix: string) => otlpVariable(env, suffix)?.value;
  const choice = <T extends string>(suffix: string, [first, ...others]: readonly [T, ...T[]]): T =>
    others.find((one) => one === valueFor(suffix)?.toLowerCase()) ?? first;
  return {
    protocol: choice('PROTOCOL', PROTOCOLS),
    temporality: choice('TEMPORALITY_PREFERENCE', TEMPORALITIES),
    certificates: {
      ca: valueFor('CERTIFICATE'),
      cert: valueFor('CLIENT_CERTIFICATE'),
      key: valueFor('CLIENT_KEY'),
    },
  };
}

/** Unset: Prometheus, and OTLP as soon as somebody says where to. Set: exactly that list. */
function readExporters(env: Environment, faults: string[]): ReadonlySet<Exporter> {
  const given = valueOf(env, 'OTEL_METRICS_EXPORTER');
  if (given === undefined) {
    return new Set(otlpVariable(env, 'ENDPOINT') === undefined ? ['prometheus'] : EXPORTERS);
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

function checkOtlp(env: Environment, faults: string[]): void {
  for (const [suffix, check] of Object.entries(OTLP_CHECKS)) {
    const given = otlpVariable(env, suffix);
    if (given === undefined) continue;
    const fault = check(given.value);
    // Headers are credentials more often than not: they are not shown.
    const shown = suffix === 'HEADERS' ? given.name : `${given.name}=${given.value}`;
    if (fault !== undefined) faults.push(`${shown}: ${fault}`);
  }
  for (const [suffix, other] of [
    ['CLIENT_CERTIFICATE', 'CLIENT_KEY'],
    ['CLIENT_KEY', 'CLIENT_CERTIFICATE'],
  ] as const) {
    const given = otlpVariable(env, suffix);
    if (given === undefined || otlpVariable(env, other) !== undefined) continue;
    faults.push(`${given.name}=${given.value}: missing OTEL_EXPORTER_OTLP_${other}`);
  }
}

/** OpenTelemetry Protocol Exporter specification: what is meant for one signal wins. */
function otlpVariable(
  env: Environment,
  suffix: string,
): { name: string; value: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_METRICS_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`]) {
    const value = valueOf(env, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

function readMilliseconds(env: Environment, name: string, faults: string[]): number | undefined {
  const value = valueOf(env, name);
  if (value === undefined) return undefined;
  const fault = milliseconds(value);
  if (fault === undefined) return Number(value);
  faults.push(`${name}=${value}: ${fault}`);
  return undefined;
}

function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

function oneOf(...supported: readonly string[]): Check {
  const check = exactly(...supported);
  return (value) => check(value.toLowerCase());
}

function exactly(...supported: readonly string[]): Check {
  return (value) =>
    supported.includes(value) ? undefined : `not supported, khan knows ${supported.join(', ')}`;
}

function httpUrl(value: string): string | undefined {
  const protocol = URL.parse(value)?.protocol;
  return protocol === 'http:' || protocol === 'https:' ? undefined : 'not an http or https URL';
}

/** OpenTelemetry Protocol Exporter specification, "Specifying headers": the form of W3C Baggage. */
function keyValueList(value: string): string | undefined {
  const isList = value.split(',').every((pair) => /^\s*[^\s=,;]+\s*=/.test(pair));
  return isList ? undefined : 'not key=value,key=value';
}

function milliseconds(value: string): string | undefined {
  const isValid = /^\d+$/.test(value) && Number(value) >= 1 && Number(value) <= TIMER_MAX_MS;
  return isValid ? undefined : `not a number of milliseconds from 1 to ${TIMER_MAX_MS}`;
}

function readableFile(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}
