/**
 * The folder that the image holds, run as the image is run: with a root that nobody can write to, as the
 * user and with the capabilities that the programs are meant to have, and as process 1.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { certificate } from '../builders/certificate.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { until } from '../demo/until.ts';
import { khan as runKhan, KhanProcess, startAgent } from '../fakes/khan-process.ts';
import { KubeApi, listEnd } from '../fakes/kube-api.ts';
import { otlpReceiver } from '../fakes/otlp-receiver.ts';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from '../kernel/skip.ts';
import { stageImage } from './staged-image.ts';

t.setTimeout(300_000);

const CLIENT = '10.1.0.11';
const SERVER = '10.1.0.12';
const PORT = '19464';
/** Eight windows of twelve snapshots, each of 200 ms, and time for a slow machine. */
const LEAK_MS_MAX = 120_000;
/** Nobody, and nothing of root's. */
const UNPRIVILEGED = ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups'].concat([
  '--bounding-set=-all',
  '--no-new-privs',
]);
/** As the DaemonSet has it: root of the container, with one capability. */
const AGENT = ['setpriv', '--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs'];

/** They do something as soon as they are loaded. */
const STARTED_BY_PATH = ['snapshot-worker.js', 'end-with-parent.js'];

const { folder, entrypoint } =
  skip === false ? await stageImage(t) : { folder: '', entrypoint: [] };
const staged = join(folder, 'app');
const cli = join(staged, 'dist/cli.js');

/** Inside a mount namespace whose root is read-only. */
function readOnly(command: readonly string[]): readonly string[] {
  const mount = 'mount --make-rprivate / && mount -o remount,ro,bind / && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', mount, 'sh', ...command];
}

/** Without tap's hooks, and whatever else stands in the environment. */
function khan(...argv: readonly string[]): readonly string[] {
  return ['env', '-i', ...entrypoint, ...argv];
}

function run([program = '', ...argv]: readonly string[]) {
  return spawnSync(program, argv, { encoding: 'utf8', env: { PATH: process.env['PATH'] } });
}

/** A file of a package, as it is in dist/, has the comment `// node_modules/NAME/…` before it. */
function bundledPackages(): readonly string[] {
  const files = globSync(join(staged, 'dist/**/*.js')).map((file) => readFileSync(file, 'utf8'));
  const paths = files.flatMap((code) =>
    [...code.matchAll(/^ *\/\/ (.*node_modules\/(?:@[^/\n]+\/)?[^/\n]+)\//gm)].map(
      ([, path]) => path,
    ),
  );
  return [...new Set(paths)].filter((path) => path !== undefined);
}

t.test('of packages, the image has code of koffi alone', { skip }, async (t) => {
  const files = globSync('**', { cwd: staged, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(staged, join(parentPath, name)));
  const koffi = files.filter((file) => /^node_modules\/(?:@koromix\/)?koffi/.test(file));
  t.ok(koffi.some((file) => file.endsWith('.node')));
  t.strictSame(
    files.filter((file) => !file.startsWith('dist/') && !koffi.includes(file)).toSorted(),
    ['LICENSE', 'THIRD-PARTY-LICENSES', 'package.json']
      .concat(bundledPackages().map((path) => `${path}/package.json`))
      .toSorted(),
    'and says of each other one which version it is',
  );
  t.ok(files.filter((file) => file.startsWith('dist/')).every((file) => file.endsWith('.js')));
  t.match(run(readOnly([...UNPRIVILEGED, ...khan('--version')])), { status: 0, stdout: '0.1.0\n' });
});

t.test('the licence of each package in dist/ is shipped', { skip }, async (t) => {
  const shipped = readFileSync(join(staged, 'THIRD-PARTY-LICENSES'), 'utf8');
  const packages = bundledPackages();
  t.ok(packages.includes('node_modules/fastify'));
  for (const path of packages) {
    const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const files = readdirSync(path).filter((file) => /licen[cs]e|copying|notice/i.test(file));
    const texts = files.map((file) => readFileSync(join(path, file), 'utf8').trim());
    t.ok(
      [`\n${name} ${version}: `, ...texts].every((text) => shipped.includes(text)),
      path,
    );
  }
});

t.test('all that the programs load on demand is there', { skip }, async (t) => {
  for (const program of ['agent', 'controller', 'top', 'demo']) {
    t.match(run(khan(program, '--help')), { status: 0, stdout: /^Usage: khan/, stderr: '' });
  }
  const chunks = globSync(join(staged, 'dist/chunks/*-*.js')).filter(
    (file) => !STARTED_BY_PATH.includes(basename(file)),
  );
  t.ok(chunks.length > 0);
  const script = 'for (const file of process.argv.slice(1)) await import(file);';
  const [node = ''] = entrypoint;
  const { status, stderr } = run([
    'env',
    '-i',
    node,
    '--input-type=module',
    '-e',
    script,
    ...chunks,
  ]);
  t.equal(status, 0, stderr);
});

t.test(
  'the agent with CAP_NET_ADMIN and nothing else counts real connections',
  { skip },
  async (t) => {
    const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
    const inside = ['nsenter', `--net=${namespace.path}`];
    const settings = [
      '--listen',
      `127.0.0.1:${PORT}`,
      '--poll-interval',
      '200ms',
      '--cpu-share-max',
      '0',
      '--exclude',
      'none',
    ];
    const [program = '', ...argv] = [
      ...inside,
      ...readOnly([...AGENT, ...khan('agent', ...settings)]),
    ];
    const agent = spawn(program, argv, { stdio: 'inherit', env: { PATH: process.env['PATH'] } });
    t.teardown(() => agent.kill('SIGKILL'));
    const fetchPage = `fetch('http://127.0.0.1:${PORT}/metrics').then(async (r) => console.log(await r.text()))`;
    const pageOf = () => run([...inside, 'env', '-i', process.execPath, '-e', fetchPage]).stdout;
    t.ok(await until(() => pageOf().includes('khan_agent_cycles_total{result="success"} ')));
    await namespace.open({ source: CLIENT, destination: SERVER, port: 8080, count: 3 });
    const isCounted = () =>
      linesOf(pageOf(), 'khan_connection_total').some((line) => line.endsWith(' 3'));
    t.ok(await until(isCounted), 'what was opened');
    agent.kill('SIGTERM');
    const [code] = await once(agent, 'exit');
    t.equal(code, 0);
  },
);

for (const protocol of ['http/json', 'http/protobuf']) {
  t.test(`the agent pushes metrics and a leak over TLS: ${protocol}`, { skip }, async (t) => {
    const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
    const tls = await certificate({ addresses: ['127.0.0.1'] });
    const receiver = await otlpReceiver(t, { tls });
    const { agent } = await startAgent(t, ['--netns', namespace.path, '--leak-window', '1s'], {
      cli,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_EXPORTER_OTLP_CERTIFICATE: join(t.testdir({ 'ca.crt': tls.cert }), 'ca.crt'),
        OTEL_METRIC_EXPORT_INTERVAL: '300',
      },
    });
    const endMs = performance.now() + LEAK_MS_MAX;
    while (receiver.logs.length === 0 && performance.now() < endMs) {
      await namespace.open({ source: CLIENT, destination: SERVER, port: 8080, count: 1 });
      await delay(100);
    }
    t.match(receiver.logs[0]?.records, [{ eventName: 'khan.connection.leak' }]);
    t.ok(receiver.pushes.some(({ metrics }) => metrics.has('khan_connection')));
    agent.kill('SIGTERM');
    t.match(await agent.ended, { code: 0, stdout: '' });
  });
}

t.test('khan top looks at the kernel', { skip }, async (t) => {
  const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);
  await namespace.open({ source: CLIENT, destination: SERVER, port: 8080, count: 3 });
  const look = ['--once', '--json', '--kernel', '--interval', '500ms', '--netns', namespace.path];
  const { code, stdout } = await runKhan(t, ['top', ...look], { cli });
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { rows: [{ active: 3 }] });
});

t.test('the demo starts all programs, and their numbers are the truth', { skip }, async (t) => {
  const settings = ['--seconds', '4', '--poll-interval', '1s', '--json'];
  const { code, stdout } = await runKhan(t, ['demo', ...settings], { cli });
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { equal: true });
});

t.test('the agent without it says what it lacks, and how to grant it', { skip }, async (t) => {
  const { status, stderr } = run(
    readOnly([...UNPRIVILEGED, ...khan('agent', '--listen', '127.0.0.1:0')]),
  );
  t.equal(status, 77);
  t.match(stderr, /lacks CAP_NET_ADMIN.*capabilities\.add: \[NET_ADMIN\]/);
});

t.test('the controller needs no privilege, and ends in order as process 1', { skip }, async (t) => {
  const inventory = join(folder, 'inventory.yaml');
  await writeFile(inventory, `addresses:\n  ${CLIENT}: { type: node, name: node-a }\n`);
  const [program = '', ...argv] = readOnly(
    ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
      .concat(UNPRIVILEGED)
      .concat(khan('controller', ...controllerArgv(inventory))),
  );
  const controller = spawn(program, argv, { env: { PATH: process.env['PATH'] } });
  t.teardown(() => controller.kill('SIGKILL'));
  let log = '';
  controller.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  t.ok(await until(() => log.includes('Controller started')), log);
  const started = log.split('\n').find((line) => line.includes('Controller started')) ?? '{}';
  const { metricsUrl } = JSON.parse(started);
  // unshare(1) does not pass signals on to whom it has made process 1.
  const { pid = 0 } = controller;
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
  t.match(readFileSync(`/proc/${child}/status`, 'utf8'), /^NSpid:\t\d+\t1$/m);
  t.equal((await fetch(`${metricsUrl}/readyz`)).status, 200);
  const ended = once(controller, 'exit');
  process.kill(child, 'SIGTERM');
  const [code] = await ended;
  t.equal(code, 0);
});

t.test('the controller reads Kubernetes, and says what may be asked', { skip }, async (t) => {
  const api = await KubeApi.listen(t);
  const files = t.testdir({ kubeconfig: kubeconfig({ server: `http://${api.host}` }) });
  const settings = ['--kubeconfig', join(files, 'kubeconfig'), '--tls', 'off', '--auth', 'none'];
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const controller = new KhanProcess(t, ['controller', ...settings, ...listen], { cli });
  for (let kinds = 4; kinds > 0; kinds--) (await api.next()).send(listEnd('1'));
  const { url, metricsUrl } = await controller.logged('Controller started');
  const isReady = async () => (await fetch(`${String(metricsUrl)}/readyz`)).status === 200;
  t.ok(await until(isReady));
  t.match(await (await fetch(`${String(url)}/openapi.json`)).json(), {
    openapi: '3.1.0',
    paths: { '/v1/resolve': { post: {} } },
  });
});
