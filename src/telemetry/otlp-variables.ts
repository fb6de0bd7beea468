import { accessSync, constants } from 'node:fs';

const PROTOCOLS = ['http/json', 'http/protobuf'] as const;
const TEMPORALITIES = ['cumulative', 'delta', 'lowmemory'] as const;

export type Environment = Readonly<Record<string, string | undefined>>;

/** What has OTEL_EXPORTER_OTLP_* variables of its own. */
export type OtlpSignal = 'METRICS' | 'LOGS';

/** How an OTLP exporter speaks. */
export interface OtlpSettings {
  readonly protocol: (typeof PROTOCOLS)[number];
  /** Paths of PEM files. */
  readonly certificates: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
  };
}

export type Temporality = (typeof TEMPORALITIES)[number];

/** Says what is wrong with a value, or nothing. */
type Check = (value: string) => string | undefined;

/** Node runs a longer timer at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Variables of OTEL_EXPORTER_OTLP_* and OTEL_EXPORTER_OTLP_METRICS_* or _LOGS_*; the exporters read them themselves. */
const CHECKS: Readonly<Record<string, Check>> = {
  ENDPOINT: httpUrl,
  PROTOCOL: oneOf(...PROTOCOLS),
  // The exporter does not know them in capitals, and would not compress.
  COMPRESSION: exactly('none', 'gzip'),
  HEADERS: keyValueList,
  TIMEOUT: milliseconds,
  CERTIFICATE: readableFile,
  CLIENT_CERTIFICATE: readableFile,
  CLIENT_KEY: readableFile,
};

const METRICS_CHECKS: Readonly<Record<string, Check>> = {
  ...CHECKS,
  TEMPORALITY_PREFERENCE: oneOf(...TEMPORALITIES),
};

export function readOtlpSettings(env: Environment, signal: OtlpSignal): OtlpSettings {
  const valueFor = (suffix: string) => otlpVariable(env, signal, suffix)?.value;
  return {
    protocol: choose(PROTOCOLS, valueFor('PROTOCOL')),
    certificates: {
      ca: valueFor('CERTIFICATE'),
      cert: valueFor('CLIENT_CERTIFICATE'),
      key: valueFor('CLIENT_KEY'),
    },
  };
}

export function readTemporality(env: Environment): Temporality {
  return choose(TEMPORALITIES, otlpVariable(env, 'METRICS', 'TEMPORALITY_PREFERENCE')?.value);
}

function choose<T extends string>([first, ...others]: readonly [T, ...T[]], value?: string): T {
  return others.find((one) => one === value?.toLowerCase()) ?? first;
}

/** What is wrong with the variables that are set. */
export function* otlpFaults(env: Environment, signal: OtlpSignal): Generator<string> {
  for (const [suffix, check] of Object.entries(signal === 'METRICS' ? METRICS_CHECKS : CHECKS)) {
    const given = otlpVariable(env, signal, suffix);
    if (given === undefined) continue;
    const fault = check(given.value);
    // Headers are credentials more often than not: they are not shown.
    const shown = suffix === 'HEADERS' ? given.name : `${given.name}=${given.value}`;
    if (fault !== undefined) yield `${shown}: ${fault}`;
  }
  for (const [suffix, other] of [
    ['CLIENT_CERTIFICATE', 'CLIENT_KEY'],
    ['CLIENT_KEY', 'CLIENT_CERTIFICATE'],
  ] as const) {
    const given = otlpVariable(env, signal, suffix);
    if (given === undefined || otlpVariable(env, signal, other) !== undefined) continue;
    yield `${given.name}=${given.value}: missing OTEL_EXPORTER_OTLP_${other}`;
  }
}

/** OpenTelemetry Protocol Exporter specification: what is meant for one signal wins. */
export function otlpVariable(
  env: Environment,
  signal: OtlpSignal,
  suffix: string,
): { name: string; value: string } | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_${signal}_${suffix}`, `OTEL_EXPORTER_OTLP_${suffix}`]) {
    const value = valueOf(env, name);
    if (value !== undefined) return { name, value };
  }
  return undefined;
}

export function valueOf(env: Environment, name: string): string | undefined {
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

export function milliseconds(value: string): string | undefined {
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
