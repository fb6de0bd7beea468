import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import * as https from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { controllerSettings } from '../../src/controller/config.ts';
import { startController } from '../../src/controller/controller.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { certificate } from '../builders/certificate.ts';
import { capturedLog } from '../fakes/captured-log.ts';

/** Of a controller with these files beside its inventory, `a.crt` and `a.key` among them. */
function settingsFor(t: Test, files: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const folder = t.testdir({ ...files, 'i.yaml': '' });
  const file = (name: string) => join(folder, name);
  const argv = ['--source', 'file', '--inventory-file', file('i.yaml'), '--auth', 'none'];
  argv.push('--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0');
  argv.push('--tls-cert-file', file('a.crt'), '--tls-key-file', file('a.key'));
  const given = args.map((arg) => (arg in files ? file(arg) : arg));
  return { file, settings: readSettings(controllerSettings, [...argv, ...given], {}) };
}

/** Status of a GET, and the connection it came over. */
async function getOver(url: string, options: https.RequestOptions) {
  const request = https.get(url, { agent: false, ...options });
  const [response] = await once(request, 'response');
  const cert = response.socket.getPeerCertificate();
  response.resume();
  await once(response, 'end');
  return { status: Number(response.statusCode), fingerprint: String(cert.fingerprint256) };
}

t.test('certificates are taken from files, and again when they change', async (t) => {
  const first = await certificate({ addresses: ['127.0.0.1'] });
  const second = await certificate({ addresses: ['127.0.0.1'] });
  const { file, settings } = settingsFor(t, { 'a.crt': first.cert, 'a.key': first.key });
  const { log, lines } = capturedLog();
  await using controller = await startController({ settings, version: '0', log, fileCheckMs: 10 });
  const url = `${controller.url}/openapi.json`;
  const before = await getOver(url, { ca: first.cert });
  t.equal(before.status, 200);
  await t.rejects(getOver(url, { ca: second.cert }), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  await t.rejects(getOver(url, { ca: first.cert, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' }));

  await writeFile(file('a.crt'), 'broken');
  while (!lines.some(({ msg }) => msg.startsWith('Cannot use the certificate'))) await delay(10);
  const still = await getOver(url, { ca: first.cert });
  t.equal(still.fingerprint, before.fingerprint, 'the last one stays');
  await writeFile(file('a.key'), second.key);
  await writeFile(file('a.crt'), second.cert);
  while (!lines.some(({ msg }) => msg === 'Certificate read again')) await delay(10);
  t.not((await getOver(url, { ca: second.cert })).fingerprint, before.fingerprint);
});

t.test(
  'a client CA lets in only those whose certificate it has signed, and so does its successor',
  async (t) => {
    const own = await certificate({ addresses: ['127.0.0.1'] });
    const client = await certificate({ addresses: ['127.0.0.1'] });
    const next = await certificate({ addresses: ['127.0.0.1'] });
    const { file, settings } = settingsFor(
      t,
      { 'a.crt': own.cert, 'a.key': own.key, 'ca.crt': client.cert },
      '--tls-client-ca-file',
      'ca.crt',
    );
    const { log, lines } = capturedLog();
    await using controller = await startController({
      settings,
      version: '0',
      log,
      fileCheckMs: 10,
    });
    const get = async (shown: https.RequestOptions) =>
      getOver(`${controller.url}/openapi.json`, { ca: own.cert, ...shown });
    t.equal((await get(client)).status, 200);
    await t.rejects(get({}));
    await t.rejects(get(next));

    await writeFile(file('ca.crt'), '');
    while (!lines.some(({ msg }) => /ca\.crt has no certificate; .*stays$/.test(msg)))
      await delay(10);
    t.equal((await get(client)).status, 200, 'the last one stays');

    await writeFile(file('ca.crt'), next.cert);
    while (!lines.some(({ msg }) => msg === 'Certificate read again')) await delay(10);
    t.equal((await get(next)).status, 200);
    await t.rejects(get({}));
    await t.rejects(get(client));
  },
);

t.test('a certificate that cannot be used ends the start with one clear error', async (t) => {
  const { cert, key } = await certificate({ addresses: ['127.0.0.1'] });
  const start = async (files: Readonly<Record<string, string>>, ...args: readonly string[]) =>
    startController({ ...settingsFor(t, files, ...args), version: '0', log: capturedLog().log });
  await t.rejects(start({ 'a.crt': cert, 'a.key': 'none' }), {
    exitCode: 1,
    message: /^Cannot use the certificate .*a\.crt with the key .*a\.key: /,
  });
  const files = { 'a.crt': cert, 'a.key': key, 'ca.crt': 'none' };
  await t.rejects(start(files, '--tls-client-ca-file', 'ca.crt'), {
    exitCode: 1,
    message: /^Cannot use .*: .*ca\.crt has no certificate$/,
  });
});
