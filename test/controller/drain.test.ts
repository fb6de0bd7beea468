import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { controllerSettings } from '../../src/controller/config.ts';
import { startController } from '../../src/controller/controller.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const BODY = '{"node": "node-a"}';
const HEAD =
  'POST /v1/resolve HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n' +
  `content-length: ${BODY.length}\r\n\r\n`;

async function controller(t: Test) {
  const inventory = join(t.testdir({ 'i.yaml': '' }), 'i.yaml');
  const settings = readSettings(controllerSettings, controllerArgv(inventory), {});
  return startController({ settings, version: '0', log: capturedLog().log });
}

t.test('a controller says how it is on a port of its own, where nobody resolves', async (t) => {
  await using subject = await controller(t);
  const { url, metricsUrl } = subject;
  for (const path of ['/livez', '/readyz']) {
    const response = await fetch(`${metricsUrl}${path}`);
    t.equal(response.status, 200);
    t.equal(await response.text(), 'ok\n');
    t.equal((await fetch(`${url}${path}`)).status, 404);
  }
  const page = await fetch(`${metricsUrl}/metrics`);
  t.equal(page.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  t.match(await page.text(), 'khan_controller_inventory_addresses 0\n');
  t.equal((await fetch(`${metricsUrl}/v1/resolve`, { method: 'POST' })).status, 404);
});

t.test('one that ends says so first, and answers those who are in the middle', async (t) => {
  const subject = await controller(t);
  const { hostname, port } = new URL(subject.url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('utf8').write(HEAD);
  // A request that the controller has seen the head of.
  while (!(await connectionsOf(subject.metricsUrl))) await delay(1);

  const ended = subject[Symbol.asyncDispose]();
  const readiness = await fetch(`${subject.metricsUrl}/readyz`);
  t.equal(readiness.status, 503);
  t.match(await readiness.text(), 'about to end');
  await t.rejects(fetch(`${subject.url}/openapi.json`), 'nobody new');

  socket.write(BODY);
  const [answer] = await once(socket, 'data');
  t.match(answer, /^HTTP\/1\.1 200 /);
  t.match(answer, /^connection: close\r$/im);
  await ended;
  await t.rejects(fetch(`${subject.metricsUrl}/livez`));
});

async function connectionsOf(metricsUrl: string): Promise<boolean> {
  const page = await (await fetch(`${metricsUrl}/metrics`)).text();
  return /^khan_controller_connections(?:\{.*\})? 1$/m.test(page);
}
