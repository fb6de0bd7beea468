import t from 'tap';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';

type Environment = Parameters<typeof readOtelSettings>[0];

const ENDPOINT = 'http://collector:4318';

function exporters(env: Environment): string[] {
  return [...readOtelSettings(env).exporters];
}

function listed(list: string): Environment {
  return { OTEL_METRICS_EXPORTER: list, OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT };
}

function fault(env: Environment): string {
  try {
    readOtelSettings(env);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'none';
}

t.test('with nothing set there is Prometheus', async (t) => {
  t.strictSame(exporters({}), ['prometheus']);
  t.strictSame(exporters({ OTEL_METRICS_EXPORTER: '', OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }), [
    'prometheus',
  ]);
});

t.test('an endpoint adds OTLP', async (t) => {
  const both = ['prometheus', 'otlp'];
  t.strictSame(exporters({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }), both);
  t.strictSame(exporters({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${ENDPOINT}/in` }), both);
});

t.test('OTEL_METRICS_EXPORTER is exactly that list', async (t) => {
  t.strictSame(exporters(listed('prometheus')), ['prometheus']);
  t.strictSame(exporters(listed('otlp')), ['otlp']);
  t.strictSame(exporters(listed('otlp, prometheus')), ['otlp', 'prometheus']);
  t.strictSame(exporters(listed('none')), []);
});

t.test(
  'an exporter that khan does not know is a fault, and so is none beside another',
  async (t) => {
    t.match(fault({ OTEL_METRICS_EXPORTER: 'console' }), 'not a list of prometheus, otlp, none');
    t.match(fault({ OTEL_METRICS_EXPORTER: 'none,otlp' }), 'none stands alone');
  },
);

t.test('the interval is a minute and the timeout half of it', async (t) => {
  t.match(readOtelSettings({}), { exportIntervalMs: 60_000, exportTimeoutMs: 30_000 });
});

t.test('a short interval shortens the timeout that nobody set', async (t) => {
  t.match(
    readOtelSettings({ OTEL_METRICS_EXPORTER: 'otlp', OTEL_METRIC_EXPORT_INTERVAL: '5000' }),
    { exportIntervalMs: 5000, exportTimeoutMs: 5000 },
  );
});

for (const [name, value, said] of [
  ['OTEL_METRIC_EXPORT_INTERVAL', '60s', 'not a number of milliseconds'],
  ['OTEL_METRIC_EXPORT_INTERVAL', '0', 'not a number of milliseconds'],
  ['OTEL_METRIC_EXPORT_INTERVAL', '2147483648', 'not a number of milliseconds'],
  ['OTEL_METRIC_EXPORT_TIMEOUT', '-1', 'not a number of milliseconds'],
  ['OTEL_METRIC_EXPORT_TIMEOUT', '60001', 'longer than OTEL_METRIC_EXPORT_INTERVAL'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317', 'not an http or https URL'],
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', 'collector', 'not an http or https URL'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'not supported, khan knows http/json, http/protobuf'],
  ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'up', 'knows cumulative, delta, lowmemory'],
  ['OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE', '/dev/null', 'missing OTEL_EXPORTER_OTLP_CLIENT_KEY'],
  ['OTEL_EXPORTER_OTLP_CLIENT_KEY', '/dev/null', 'missing OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE'],
  ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zstd', 'khan knows none, gzip'],
  ['OTEL_EXPORTER_OTLP_COMPRESSION', 'GZIP', 'khan knows none, gzip'],
  ['OTEL_EXPORTER_OTLP_TIMEOUT', '10s', 'not a number of milliseconds'],
  ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/does/not/exist.pem', 'cannot be read'],
] as const) {
  t.test(`${name}=${value} is a fault`, async (t) => {
    const message = fault({ OTEL_METRICS_EXPORTER: 'otlp', [name]: value });
    t.match(message, `${name}=${value}: `);
    t.match(message, said);
  });
}

t.test('headers that are none are a fault, and not shown: they may be a secret', async (t) => {
  const env = { OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_HEADERS: 'Bearer hunter2' };
  t.match(fault(env), 'OTEL_EXPORTER_OTLP_HEADERS: not key=value,key=value');
  t.notMatch(fault(env), 'hunter2');
  for (const headers of ['a=b', 'authorization=Bearer%20x%3D, tenant = blue', 'a=']) {
    t.equal(fault({ ...env, OTEL_EXPORTER_OTLP_HEADERS: headers }), 'none');
  }
});

t.test('protocol, temporality and certificates are told, whatever their case', async (t) => {
  t.strictSame(readOtelSettings({}).otlp, {
    protocol: 'http/json',
    temporality: 'cumulative',
    certificates: { ca: undefined, cert: undefined, key: undefined },
  });
  const { otlp } = readOtelSettings({
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'HTTP/protobuf',
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'LowMemory',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/dev/null',
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: '/dev/zero',
    OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: '/dev/null',
  });
  t.strictSame(otlp, {
    protocol: 'http/protobuf',
    temporality: 'lowmemory',
    certificates: { ca: '/dev/null', cert: '/dev/zero', key: '/dev/null' },
  });
});

t.test('what is meant for metrics alone wins', async (t) => {
  t.doesNotThrow(() =>
    readOtelSettings({
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'CUMULATIVE',
    }),
  );
});

t.test('the variables of an exporter that is off are nobody’s fault', async (t) => {
  t.doesNotThrow(() =>
    readOtelSettings({
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_METRIC_EXPORT_INTERVAL: 'often',
    }),
  );
});

t.test('all faults are told at once, with the exit code of a wrong setting', async (t) => {
  const env = {
    OTEL_METRICS_EXPORTER: 'otlp,console',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_METRIC_EXPORT_INTERVAL: 'often',
  };
  t.throws(() => readOtelSettings(env), { name: 'Failure', exitCode: 2 });
  for (const name of Object.keys(env)) t.match(fault(env), name);
});

t.test('OTEL_SDK_DISABLED turns everything off', async (t) => {
  const settings = readOtelSettings({
    OTEL_SDK_DISABLED: 'TRUE',
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  });
  t.equal(settings.isDisabled, true);
  t.strictSame([...settings.exporters], []);
  t.equal(readOtelSettings({ OTEL_SDK_DISABLED: 'false' }).isDisabled, false);
});

function logs(env: Environment) {
  return readOtelSettings(env).logs;
}

t.test('log events are pushed as soon as there is somewhere to', async (t) => {
  t.equal(logs({}), undefined);
  t.match(logs({ OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT }), { protocol: 'http/json' });
  const own = { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${ENDPOINT}/v1/logs` };
  t.match(logs({ ...own, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/protobuf' }), {
    protocol: 'http/protobuf',
  });
  t.strictSame(exporters(own), ['prometheus'], 'and metrics are not');
  t.equal(logs({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${ENDPOINT}/v1/metrics` }), undefined);
});

t.test('OTEL_LOGS_EXPORTER is otlp or none', async (t) => {
  t.match(logs({ OTEL_LOGS_EXPORTER: 'otlp' }), { protocol: 'http/json' });
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: ENDPOINT };
  t.equal(logs({ ...env, OTEL_LOGS_EXPORTER: 'none' }), undefined);
  t.match(
    fault({ ...env, OTEL_LOGS_EXPORTER: 'console' }),
    'OTEL_LOGS_EXPORTER=console: not otlp or none',
  );
  t.equal(logs({ ...env, OTEL_SDK_DISABLED: 'true' }), undefined);
});

t.test(
  'what is meant for log events is checked where they are pushed, and only there',
  async (t) => {
    const env = { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'collector:4317' };
    t.match(
      fault(env),
      'OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=collector:4317: not an http or https URL',
    );
    t.equal(fault({ ...env, OTEL_LOGS_EXPORTER: 'none' }), 'none');
  },
);

t.test('what is wrong for metrics and log events is said once', async (t) => {
  const message = fault({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' });
  t.equal(message.split('OTEL_EXPORTER_OTLP_ENDPOINT').length, 2);
});
