/**
 * The chart installed in a real API server, and the real programs started as the objects there say: with
 * their arguments, environment, user, capabilities and files, and nothing else.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { until } from '../demo/until.ts';
import { Kube } from '../e2e/kube.ts';
import { requireServers } from '../e2e/require-servers.ts';
import { stageImage } from '../e2e/staged-image.ts';
import { linesOf } from '../fakes/page-lines.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { CHART, INSTALLATIONS } from './chart-files.ts';
import { startContainer, type Container } from './container.ts';
import { fetchOperatorTypes } from './operator-types.ts';

const NAMESPACE = 'khan';
const NODE = 'node-a';
const CLIENT = '10.1.0.11';
const SERVER = '10.1.0.12';
const HOSTS = `127.0.0.1 localhost khan-controller.${NAMESPACE}.svc\n`;
const ACCOUNT_FILES = '/var/run/secrets/kubernetes.io/serviceaccount';

await requireServers(t, async () => {
  t.setTimeout(300_000);
  const kube = await Kube.start();
  t.teardown(() => kube[Symbol.asyncDispose]());
  await kube.create('/api/v1/namespaces', {
    metadata: {
      name: NAMESPACE,
      labels: { 'pod-security.kubernetes.io/enforce': 'privileged' },
    },
  });
  const helm = async (t: Test, ...argv: readonly string[]): Promise<string> => {
    const { code, output, complaint } = await kube.helm([...argv, '--namespace', NAMESPACE]);
    t.equal(code, 0, `helm ${argv[0]}: ${complaint}`);
    return output;
  };
  const apps = `/apis/apps/v1/namespaces/${NAMESPACE}`;
  const secret = async () =>
    kube.api('GET', `/api/v1/namespaces/${NAMESPACE}/secrets/khan-controller-tls`);

  await t.test('the API server knows the types of other operators', async (t) => {
    for (const file of await fetchOperatorTypes((line) => process.stderr.write(`${line}\n`))) {
      const { code, complaint } = await kube.kubectl(['create', '-f', file]);
      t.equal(code, 0, complaint);
    }
  });

  for (const [name, values] of INSTALLATIONS) {
    await t.test(`the API server takes every object of ${name}, and gives them up`, async (t) => {
      await helm(t, 'install', 'khan', CHART, '--values', values);
      const { data } = (await secret().catch(() => undefined)) ?? {};
      await helm(t, 'upgrade', 'khan', CHART, '--values', values, '--set', 'agent.port=9465');
      const { spec } = await kube.api('GET', `${apps}/daemonsets/khan-agent`);
      t.equal(spec.template.spec.containers[0].ports[0].containerPort, 9465);
      if (data !== undefined) t.strictSame((await secret()).data, data, 'the certificate stays');
      await helm(t, 'rollback', 'khan', '1');
      await helm(t, 'uninstall', 'khan');
      const { items } = await kube.api('GET', `${apps}/deployments`);
      t.strictSame(items, []);
    });
  }

  await t.test('the programs run as their objects say, and count with names', async (t) => {
    await helm(
      t,
      'install',
      'khan',
      CHART,
      '--set',
      'agent.settings.poll-interval=200ms,agent.settings.cpu-share-max=0,agent.settings.exclude=none',
    );
    for (const [name, ip] of [
      ['web', CLIENT],
      ['api', SERVER],
    ] as const) {
      await kube.create(`/api/v1/namespaces/${NAMESPACE}/pods`, {
        metadata: { name, labels: { app: name } },
        spec: { nodeName: NODE, containers: [{ name: 'main', image: 'none' }] },
        status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
      });
    }
    const image = await stageImage(t);
    const namespace = await TrackedNamespace.create(t, [CLIENT, SERVER]);

    const deployment = await kube.api('GET', `${apps}/deployments/khan-controller`);
    const { data } = await secret();
    const text = (key: string) => Buffer.from(data[key], 'base64').toString();
    const api = new URL(kube.url);
    const controller = containerOf(deployment, {
      env: { KUBERNETES_SERVICE_HOST: api.hostname, KUBERNETES_SERVICE_PORT: api.port },
      files: {
        '/var/run/secrets/khan-tls/tls.crt': text('tls.crt'),
        '/var/run/secrets/khan-tls/tls.key': text('tls.key'),
        [`${ACCOUNT_FILES}/ca.crt`]: await readFile(kube.caFile, 'utf8'),
        [`${ACCOUNT_FILES}/token`]: await kube.token({
          namespace: NAMESPACE,
          name: 'khan-controller',
        }),
        [`${ACCOUNT_FILES}/namespace`]: NAMESPACE,
      },
    });
    t.equal(controller.user, 65_532);
    t.strictSame(controller.capabilities, []);
    const started = await startContainer(t, controller, image);
    await started.logged('Controller started');

    const hook = parse(await helm(t, 'get', 'hooks', 'khan'));
    const [program, ...argv] = hook.spec.containers[0].command;
    t.equal(program, 'node');
    const check = await startContainer(
      t,
      {
        args: [],
        env: {},
        user: hook.spec.securityContext.runAsUser,
        capabilities: [],
        files: {},
        hosts: HOSTS,
      },
      { folder: image.folder, entrypoint: [process.execPath, ...argv] },
    );
    t.strictSame(await once(check.process, 'exit'), [0, null], 'helm test passes');

    const daemonSet = await kube.api('GET', `${apps}/daemonsets/khan-agent`);
    const agentPod = await kube.create(`/api/v1/namespaces/${NAMESPACE}/pods`, {
      metadata: { name: 'khan-agent-x' },
      spec: { ...daemonSet.spec.template.spec, nodeName: NODE },
    });
    const pod = { name: 'khan-agent-x', uid: agentPod.metadata.uid };
    const account = { namespace: NAMESPACE, name: 'khan-agent' };
    const agent = containerOf(daemonSet, {
      env: {},
      files: {
        '/var/run/secrets/khan/ca.crt': text('ca.crt'),
        '/var/run/secrets/khan/token': await kube.token(account, {
          audience: 'khan-controller',
          pod,
        }),
      },
    });
    t.equal(agent.user, 0);
    t.strictSame(agent.capabilities, ['NET_ADMIN']);
    const inside = ['nsenter', `--net=${namespace.path}`];
    await relay(t, { inside, path: join(image.folder, 'controller.sock'), port: 8443 });
    await (await startContainer(t, agent, { ...image, through: inside })).logged('Agent listens');

    await namespace.open({ source: CLIENT, destination: SERVER, port: 8080, count: 2 });
    const fetchPage = `fetch('http://127.0.0.1:9464/metrics').then(async (r) => console.log(await r.text()))`;
    const page = () =>
      spawnSync('nsenter', [...inside.slice(1), 'env', '-i', process.execPath, '-e', fetchPage], {
        encoding: 'utf8',
      }).stdout;
    const named =
      /node="node-a",src_type="pod",.*src_name="web".*dst_name="api".*primary="true",state="ESTABLISHED"\} 2$/;
    const isNamed = () =>
      linesOf(page(), 'khan_connection_active').some((line) => named.test(line));
    t.ok(await until(isNamed), page());
    t.match(linesOf(page(), 'khan_controller_up'), ['khan_controller_up 1']);
  });
});

/** What the kubelet would start for the only container of a workload. */
function containerOf({ spec }: any, { env, files }: Pick<Container, 'env' | 'files'>): Container {
  const pod = spec.template.spec;
  const [{ args, env: told, securityContext }] = pod.containers;
  const values = told.map(({ name, value }: any) => [name, value ?? NODE]);
  return {
    args,
    env: { ...env, ...Object.fromEntries(values) },
    user: securityContext.runAsUser ?? pod.securityContext.runAsUser,
    capabilities: securityContext.capabilities.add ?? [],
    files,
    hosts: HOSTS,
  };
}

/** The port on loopback of the agent's namespace is the controller's here. */
async function relay(
  t: Test,
  {
    inside,
    path,
    port,
  }: { readonly inside: readonly string[]; readonly path: string; readonly port: number },
): Promise<void> {
  const out = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    for (const end of [socket, upstream]) {
      end.on('error', () => {
        socket.destroy();
        upstream.destroy();
      });
    }
  });
  await once(out.listen(path), 'listening');
  t.teardown(() => out.close());
  const script = join(import.meta.dirname, 'relay.ts');
  const [program = '', ...argv] = inside.concat([
    'env',
    '-i',
    process.execPath,
    script,
    String(port),
    path,
  ]);
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill());
  await once(child.stdout, 'data');
}
