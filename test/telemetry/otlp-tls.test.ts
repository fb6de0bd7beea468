import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import type { ServerOptions } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { certificate } from '../builders/certificate.ts';
import { SeriesBuilder, publicationOf } from '../builders/series.ts';
import { startedTelemetry } from '../builders/started-telemetry.ts';
import { until } from '../demo/until.ts';
import { otlpReceiver } from '../fakes/otlp-receiver.ts';

const ADDRESSES = ['127.0.0.1'];

/** Telemetry that pushes to a collector with TLS; its variables name files of the folder. */
async function pushing(
  t: Test,
  {
    tls,
    folder,
    files,
    env = {},
  }: {
    readonly tls: ServerOptions;
    readonly folder: string;
    readonly files: Readonly<Record<string, string>>;
    readonly env?: Readonly<Record<string, string>>;
  },
) {
  const receiver = await otlpReceiver(t, { tls });
  const variables = Object.entries(files).map(([suffix, file]) => {
    return [`OTEL_EXPORTER_OTLP_${suffix}`, join(folder, file)] as const;
  });
  const { telemetry, producer, lines } = await startedTelemetry(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    ...Object.fromEntries(variables),
    ...env,
  });
  await producer.publish(publicationOf(1_030_000, new SeriesBuilder({ opened: 1 })), {
    entries: 1,
    limit: undefined,
  });
  return { receiver, telemetry, lines };
}

t.test('a collector is believed only if the CA that is given has signed it', async (t) => {
  const own = await certificate({ addresses: ADDRESSES });
  const other = await certificate({ addresses: ADDRESSES });
  const folder = t.testdir({ 'own.crt': own.cert, 'other.crt': other.cert });
  for (const [file, pushes] of [
    ['own.crt', 1],
    ['other.crt', 0],
  ] as const) {
    await t.test(file, async (t) => {
      const files = { CERTIFICATE: file };
      const { receiver, telemetry, lines } = await pushing(t, { tls: own, folder, files });
      await telemetry.shutdown({ timeoutMs: 5000 });
      t.equal(receiver.pushes.length, pushes);
      if (pushes === 0) t.match(lines, [{ level: 50, msg: /self-signed certificate/ }]);
    });
  }
});

for (const protocol of ['http/json', 'http/protobuf']) {
  t.test(`a collector that asks for a certificate is shown one: ${protocol}`, async (t) => {
    const own = await certificate({ addresses: ADDRESSES });
    const agent = await certificate({ addresses: ADDRESSES });
    const stranger = await certificate({ addresses: ADDRESSES });
    const folder = t.testdir({
      'ca.crt': own.cert,
      'agent.crt': agent.cert,
      'agent.key': agent.key,
      'stranger.crt': stranger.cert,
      'stranger.key': stranger.key,
    });
    const tls = { ...own, ca: agent.cert, requestCert: true, rejectUnauthorized: true };
    for (const [who, pushes] of [
      ['agent', 1],
      ['stranger', 0],
    ] as const) {
      const { receiver, telemetry } = await pushing(t, {
        tls,
        folder,
        files: {
          METRICS_CERTIFICATE: 'ca.crt',
          METRICS_CLIENT_CERTIFICATE: `${who}.crt`,
          METRICS_CLIENT_KEY: `${who}.key`,
        },
        env: {
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
          OTEL_EXPORTER_OTLP_TIMEOUT: '500',
        },
      });
      await telemetry.shutdown({ timeoutMs: 5000 });
      t.equal(receiver.pushes.length, pushes, who);
    }
  });
}

t.test('certificates rotate: each new connection takes those that are there now', async (t) => {
  const own = await certificate({ addresses: ADDRESSES });
  const next = await certificate({ addresses: ADDRESSES });
  const agent = await certificate({ addresses: ADDRESSES });
  const nextAgent = await certificate({ addresses: ADDRESSES });
  const folder = t.testdir({
    old: { 'ca.crt': own.cert, 'tls.crt': agent.cert, 'tls.key': agent.key },
    new: { 'ca.crt': next.cert, 'tls.crt': nextAgent.cert, 'tls.key': nextAgent.key },
  });
  // As the kubelet mounts a secret: one symbolic link is swapped, and with it all files.
  const data = join(folder, 'data');
  await symlink(join(folder, 'old'), data);
  const mutual = { requestCert: true, rejectUnauthorized: true };
  const { receiver, telemetry } = await pushing(t, {
    tls: { ...own, ca: agent.cert, ...mutual },
    folder: data,
    files: { CERTIFICATE: 'ca.crt', CLIENT_CERTIFICATE: 'tls.crt', CLIENT_KEY: 'tls.key' },
    env: { OTEL_METRIC_EXPORT_INTERVAL: '50' },
  });
  t.ok(await until(() => receiver.pushes.length > 2));
  t.equal(receiver.connections(), 1, 'a connection is kept');

  await symlink(join(folder, 'new'), `${data}.new`);
  await rename(`${data}.new`, data);
  receiver.setSecureContext({ ...next, ca: nextAgent.cert });
  receiver.server.closeAllConnections();
  const before = receiver.pushes.length;
  t.ok(await until(() => receiver.pushes.length > before + 2));
  t.equal(receiver.connections(), 2);
  await telemetry.shutdown({ timeoutMs: 5000 });
});

t.test('a certificate that cannot be read for a while fails pushes for a while', async (t) => {
  const own = await certificate({ addresses: ADDRESSES });
  const folder = t.testdir({ 'ca.crt': own.cert });
  const { receiver, telemetry, lines } = await pushing(t, {
    tls: own,
    folder,
    files: { CERTIFICATE: 'ca.crt' },
    env: { OTEL_METRIC_EXPORT_INTERVAL: '50' },
  });
  t.ok(await until(() => receiver.pushes.length > 0));
  await rm(join(folder, 'ca.crt'));
  receiver.server.closeAllConnections();
  t.ok(await until(() => lines.some(({ msg }) => msg.includes('ENOENT'))));
  const before = receiver.pushes.length;
  await writeFile(join(folder, 'ca.crt'), own.cert);
  t.ok(await until(() => receiver.pushes.length > before));
  await telemetry.shutdown({ timeoutMs: 5000 });
});
