/** The lab's objects in a real API server, two controllers behind one address, and tokens for the agents. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import { Agent, request } from 'undici';
import { NODES, PODS, SERVICES, inventoryFile, type Place } from '../../src/demo/topology.ts';
import { certificate } from '../builders/certificate.ts';
import { until } from '../demo/until.ts';
import { KhanProcess } from '../fakes/khan-process.ts';
import { Kube } from './kube.ts';
import { ServiceAddress } from './service-address.ts';

const KHAN = '/api/v1/namespaces/khan';
export const SHOP = '/api/v1/namespaces/shop';
const CONTROLLER = { namespace: 'khan', name: 'khan-controller' };
const AGENT = { namespace: 'khan', name: 'khan-agent' };
const AUDIENCE = 'khan-controller';
const CHECK_MS = 50;

interface Replica {
  readonly process: KhanProcess;
  readonly port: number;
  /** Of its pages. */
  readonly url: string;
}

export class ControlPlane {
  readonly kube: Kube;
  /** Those that run now. */
  readonly replicas: Replica[];
  readonly #service: ServiceAddress;
  readonly #caFile: string;
  readonly #tokenFiles: ReadonlyMap<string, string>;

  private constructor(
    kube: Kube,
    replicas: Replica[],
    service: ServiceAddress,
    files: { readonly caFile: string; readonly tokenFiles: ReadonlyMap<string, string> },
  ) {
    this.kube = kube;
    this.replicas = replicas;
    this.#service = service;
    this.#caFile = files.caFile;
    this.#tokenFiles = files.tokenFiles;
  }

  /** Everything but the pods in `without` is there when it resolves; it ends with the test. */
  static async start(t: Test, { without = [] }: { without?: readonly string[] } = {}) {
    const kube = await Kube.start();
    t.teardown(() => kube[Symbol.asyncDispose]());
    const folder = t.testdir({});
    for (const name of ['khan', 'shop']) {
      await kube.create('/api/v1/namespaces', { metadata: { name } });
    }
    await createObjects(kube, without);
    for (const account of [CONTROLLER, AGENT]) await kube.createServiceAccount(account);
    await kube.grantControllerRules(CONTROLLER);

    const { cert, key } = await certificate({ addresses: ['127.0.0.1'] });
    const caFile = join(folder, 'tls.crt');
    await writeFile(caFile, cert);
    await writeFile(join(folder, 'tls.key'), key);
    const networks = join(folder, 'networks.json');
    // The API server has all else.
    await writeFile(networks, JSON.stringify({ cidrs: JSON.parse(inventoryFile()).cidrs }));
    const { path: kubeconfig } = await kube.kubeconfig(await kube.token(CONTROLLER));
    const argv = ['--kubeconfig', kubeconfig, '--inventory-file', networks];
    argv.push('--service-accounts', `${AGENT.namespace}/${AGENT.name}`);
    argv.push('--tls-cert-file', caFile, '--tls-key-file', join(folder, 'tls.key'));
    const replicas = await Promise.all([startReplica(t, argv), startReplica(t, argv)]);
    const service = await ServiceAddress.listen(replicas);
    t.teardown(() => service[Symbol.asyncDispose]());

    const tokenFiles = new Map<string, string>();
    for (const { name: node } of NODES) {
      const path = join(folder, `${node}.token`);
      await writeFile(path, await agentToken(kube, node));
      tokenFiles.set(node, path);
    }
    return new ControlPlane(kube, replicas, service, { caFile, tokenFiles });
  }

  /** What the agent of a node is told. */
  readonly agentSettings = (node: string): readonly string[] => [
    `--controller-url=https://127.0.0.1:${this.#service.port}`,
    `--controller-ca-file=${this.#caFile}`,
    `--controller-token-file=${this.#tokenFiles.get(node) ?? ''}`,
  ];

  /**
   * Resolves when each replica says that this pod has the address: until an agent can hear of it, what
   * the pod opens counts for whoever had the address before.
   */
  async untilNamed({ addresses }: Place, name: string): Promise<void> {
    const dispatcher = new Agent({ connect: { ca: await readFile(this.#caFile) } });
    const [tokenFile = ''] = this.#tokenFiles.values();
    const headers = { authorization: `Bearer ${await readFile(tokenFile, 'utf8')}` };
    const isNamed = async ({ port }: Replica) => {
      const url = `https://127.0.0.1:${port}/v1/inventory?limit=5000`;
      const { body } = await request(url, { dispatcher, headers });
      const { entries }: any = await body.json();
      return Object.values(addresses).every((address) => entries[address]?.name === name);
    };
    try {
      for (const replica of this.replicas) {
        if (!(await until(() => isNamed(replica)))) throw new Error(`Cannot find ${name} named`);
      }
    } finally {
      await dispatcher.close();
    }
  }

  /** A node goes away, and one of the controllers with it. */
  async killReplica(): Promise<void> {
    const replica = this.replicas.shift();
    replica?.process.kill('SIGKILL');
    await replica?.process.ended;
  }
}

async function startReplica(t: Test, argv: readonly string[]): Promise<Replica> {
  const listen = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const process = new KhanProcess(t, [
    'controller',
    ...listen,
    '--poll-interval',
    '200ms',
    ...argv,
  ]);
  const started = await process.logged('Controller started');
  const url = String(started['metricsUrl']);
  while (!(await fetch(`${url}/readyz`)).ok) await delay(CHECK_MS);
  return { process, port: Number(new URL(String(started['url'])).port), url };
}

async function createObjects(kube: Kube, without: readonly string[]): Promise<void> {
  for (const { name, addresses, podCidrs } of NODES) {
    await kube.create('/api/v1/nodes', {
      metadata: { name },
      spec: { podCIDR: podCidrs.ipv4, podCIDRs: Object.values(podCidrs) },
      status: {
        addresses: [
          { type: 'Hostname', address: name },
          ...Object.values(addresses).map((address) => ({ type: 'InternalIP', address })),
        ],
      },
    });
  }
  for (const pod of PODS) if (!without.includes(pod.name)) await createPod(kube, pod);
  for (const { name, transport, port, targetPort, addresses } of SERVICES) {
    await kube.create(`${SHOP}/services`, {
      metadata: { name, labels: { app: name } },
      spec: {
        clusterIP: addresses.ipv4,
        clusterIPs: Object.values(addresses),
        ipFamilies: ['IPv4', 'IPv6'],
        ipFamilyPolicy: 'RequireDualStack',
        selector: { app: name },
        ports: [{ port, targetPort, protocol: transport.toUpperCase() }],
      },
    });
  }
}

/** As the kubelet would report it; `name` and `phase` for a pod that is another at the same place. */
export async function createPod(
  kube: Kube,
  { app = '', node, hostNetwork = false, addresses, ...place }: Place,
  { name = place.name, phase = 'Running' }: { name?: string; phase?: string } = {},
): Promise<void> {
  const hostIP = NODES.find((each) => each.name === node)?.addresses.ipv4;
  await kube.create(`${SHOP}/pods`, {
    metadata: { name, labels: { app } },
    spec: { nodeName: node, hostNetwork, containers: [{ name: 'main', image: 'none' }] },
    status: {
      phase,
      hostIP,
      podIP: addresses.ipv4,
      podIPs: Object.values(addresses).map((ip) => ({ ip })),
      startTime: new Date().toISOString(),
    },
  });
}

/** Bound to the agent's pod, so that it names the node. */
async function agentToken(kube: Kube, node: string): Promise<string> {
  const name = `khan-agent-${node}`;
  const containers = [{ name: 'main', image: 'none' }];
  const spec = { nodeName: node, serviceAccountName: AGENT.name, hostNetwork: true, containers };
  const { metadata } = await kube.create(`${KHAN}/pods`, { metadata: { name }, spec });
  return kube.token(AGENT, { audience: AUDIENCE, pod: { name, uid: metadata.uid } });
}
