import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { controllerSettings } from '../../src/controller/config.ts';
import { runController, startController } from '../../src/controller/controller.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { listening } from '../builders/listening.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const INVENTORY = 'addresses: { 10.1.0.11: { type: pod, name: web-1 } }\n';

const version = '0';

function settingsFor(t: Test, text: string, ...args: readonly string[]) {
  const path = join(t.testdir({ 'inventory.yaml': text }), 'inventory.yaml');
  const argv = [...controllerArgv(path), ...args];
  return { path, settings: readSettings(controllerSettings, argv, {}) };
}

t.test(
  'a controller answers from its inventory file, at the poll interval it is given',
  async (t) => {
    const { settings } = settingsFor(t, INVENTORY, '--poll-interval', '5s');
    await using controller = await startController({ settings, version, log: capturedLog().log });
    t.match(await answerOf(controller.url), {
      entries: { '10.1.0.11': { type: 'pod', name: 'web-1' } },
      nextPollMs: 5000,
      synced: true,
    });
  },
);

t.test('a changed inventory file is read again while the controller runs', async (t) => {
  const { settings, path } = settingsFor(t, INVENTORY);
  await using controller = await startController({
    settings,
    version,
    log: capturedLog().log,
    fileCheckMs: 1,
  });
  await writeFile(path, INVENTORY.replace('web-1', 'web-2'));
  let name: unknown;
  while (name !== 'web-2') name = await nameIn(controller.url);
  t.equal(name, 'web-2');
});

t.test(
  'runController() returns when its signal is aborted, whoever is still connected',
  async (t) => {
    const { settings } = settingsFor(t, INVENTORY);
    const { log, lines } = capturedLog();
    const stop = new AbortController();
    const running = runController({ settings, version, log, signal: stop.signal });
    const listens = () => lines.find(({ msg }) => msg === 'Controller started');
    while (listens() === undefined) await setImmediate();
    const { hostname, port, origin } = new URL(String(listens()?.['url']));
    t.equal(await nameIn(origin), 'web-1');

    const unfinished = connect(Number(port), hostname);
    unfinished.on('error', () => {});
    unfinished.write('POST /v1/resolve HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n');
    unfinished.write('content-length: 1000\r\n\r\n');
    await once(unfinished, 'connect');
    stop.abort();
    await running;
    await t.rejects(fetch(`${origin}/livez`));
    unfinished.destroy();
  },
);

t.test('runController() returns at once when its signal is aborted already', async (t) => {
  const { settings } = settingsFor(t, INVENTORY);
  await runController({ settings, version, log: capturedLog().log, signal: AbortSignal.abort() });
  t.pass('returned');
});

t.test('a faulty inventory file ends the start with exit code 2', async (t) => {
  const { settings, path } = settingsFor(t, 'addresses: 1');
  await t.rejects(startController({ settings, version, log: capturedLog().log }), {
    message: `Cannot use inventory file ${path}:\n  addresses: must be a mapping, not 1`,
    exitCode: 2,
  });
});

t.test('an inventory file that is not there ends the start with exit code 1', async (t) => {
  const { settings } = settingsFor(t, INVENTORY);
  const missing = { ...settings, 'inventory-file': join(t.testdir(), 'missing.yaml') };
  await t.rejects(startController({ settings: missing, version, log: capturedLog().log }), {
    message: /^Cannot read inventory file .*missing\.yaml: ENOENT/,
    exitCode: 1,
  });
});

t.test('a taken port ends the start with one clear error', async (t) => {
  const taken = createServer();
  t.teardown(() => taken.close());
  const { port } = await listening(taken);
  const { settings } = settingsFor(t, INVENTORY);
  const listen = { host: '127.0.0.1', port };
  await t.rejects(
    startController({ settings: { ...settings, listen }, version, log: capturedLog().log }),
    {
      message: new RegExp(`^Cannot serve the agents: .*EADDRINUSE.* 127.0.0.1:${port}$`),
      exitCode: 1,
    },
  );
});

async function answerOf(url: string): Promise<any> {
  const response = await fetch(`${url}/v1/resolve`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"node": "node-a", "want": ["10.1.0.11"]}',
  });
  return response.json();
}

async function nameIn(url: string): Promise<unknown> {
  return (await answerOf(url)).entries['10.1.0.11'].name;
}
