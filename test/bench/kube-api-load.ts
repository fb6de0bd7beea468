/**
 * An API server of its own process that has nothing but bulk: pods of 8 KB, made as they are sent, as a
 * watch-list and then as a watch with some churn; nodes, services, and reviews of tokens. On plain
 * HTTP, so that what is measured beside it is not its own encryption. Prints its port.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { integer, readSettings } from '../../src/runtime/settings.ts';

const PODS_PER_NODE = 30;
const SERVICES_PER_NODE = 2;
const POD_BYTES = 8192;
/** 1 % of all pods a minute are replaced. */
const CHURN_PER_SECOND = 0.01 / 60;
const CHURN_MS = 200;

const settings = {
  pods: integer({ default: 1000, min: 1, max: 1_000_000, description: 'Pods' }),
} as const;
const { pods } = readSettings(settings, process.argv.slice(2), {});
const nodes = Math.ceil(pods / PODS_PER_NODE);
const startTime = new Date().toISOString();
let revision = 1;

function podText(number: number, generation = 0): string {
  const node = Math.floor(number / PODS_PER_NODE);
  const ip = `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
  const ip6 = `fd00:10::${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}`;
  const name = `app-${number % 500}-6d4f9c7b8-${generation}x${number}`;
  const text = JSON.stringify({
    metadata: {
      name,
      namespace: `team-${number % 50}`,
      uid: `00000000-0000-4000-8000-${String(generation * 10_000_000 + number).padStart(12, '0')}`,
      resourceVersion: String(++revision),
      creationTimestamp: startTime,
      labels: { app: `app-${number % 500}`, 'pod-template-hash': '6d4f9c7b8' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `app-${number % 500}-6d4f9c7b8`,
          controller: true,
        },
      ],
    },
    spec: { nodeName: `node-${node}`, containers: [] },
    status: {
      phase: 'Running',
      hostIP: nodeAddress(node),
      podIP: ip,
      podIPs: [{ ip }, { ip: ip6 }],
      startTime,
    },
  });
  const filler = 'f:status '.repeat(Math.ceil((POD_BYTES - text.length) / 9));
  // Where managedFields and containers would be.
  return `${text.slice(0, -1)},"filler":"${filler}"}`;
}

function nodeAddress(number: number): string {
  return `172.16.${number >> 8}.${number & 255}`;
}

function nodeText(number: number): string {
  return JSON.stringify({
    metadata: {
      name: `node-${number}`,
      uid: `node-${number}`,
      resourceVersion: String(++revision),
      labels: { 'topology.kubernetes.io/zone': `zone-${number % 3}` },
    },
    spec: { podCIDRs: [`10.${(number >> 8) & 127}.${number & 255}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: nodeAddress(number) }] },
  });
}

function serviceText(number: number): string {
  const clusterIP = `172.20.${number >> 8}.${number & 255}`;
  return JSON.stringify({
    metadata: {
      name: `svc-${number}`,
      namespace: 'team-0',
      uid: `svc-${number}`,
      resourceVersion: String(++revision),
    },
    spec: { clusterIP, clusterIPs: [clusterIP] },
  });
}

async function send(response: ServerResponse, type: string, object: string): Promise<void> {
  if (response.destroyed) return;
  if (!response.write(`{"type":"${type}","object":${object}}\n`)) await once(response, 'drain');
}

async function watch(
  response: ServerResponse,
  { count, textOf }: { readonly count: number; readonly textOf: (number: number) => string },
): Promise<void> {
  for (let number = 0; number < count; number++) await send(response, 'ADDED', textOf(number));
  const annotations = { 'k8s.io/initial-events-end': 'true' };
  const metadata = { resourceVersion: String(revision), annotations };
  await send(response, 'BOOKMARK', JSON.stringify({ metadata }));
}

async function churn(response: ServerResponse): Promise<void> {
  const perTurn = (pods * CHURN_PER_SECOND * CHURN_MS) / 1000;
  for (let done = 0, turn = 1; !response.destroyed; turn++) {
    await delay(CHURN_MS);
    for (; done < turn * perTurn; done++) {
      const number = done % pods;
      const generation = Math.floor(done / pods);
      await send(response, 'DELETED', podText(number, generation));
      await send(response, 'ADDED', podText(number, generation + 1));
    }
  }
}

const server = createServer((request, response) => {
  response.on('error', () => response.destroy());
  const { pathname } = new URL(request.url ?? '', 'http://localhost');
  void answer(pathname).catch(() => response.destroy());

  async function answer(path: string): Promise<void> {
    response.setHeader('content-type', 'application/json');
    switch (path.slice(path.lastIndexOf('/') + 1)) {
      case 'pods':
        await watch(response, { count: pods, textOf: podText });
        return churn(response);
      case 'nodes':
        return watch(response, { count: nodes, textOf: nodeText });
      case 'services':
        return watch(response, { count: nodes * SERVICES_PER_NODE, textOf: serviceText });
      case 'endpointslices':
        return watch(response, { count: 0, textOf: String });
      default:
        return review();
    }
  }

  /** The token is the name of the node. */
  async function review(): Promise<void> {
    const { spec } = JSON.parse(Buffer.concat(await request.toArray()).toString('utf8'));
    const extra = { 'authentication.kubernetes.io/node-name': [spec.token] };
    const user = { username: 'system:serviceaccount:khan:khan-agent', extra };
    response.end(
      JSON.stringify({ status: { authenticated: true, audiences: spec.audiences, user } }),
    );
  }
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`${address?.port}\n`);
});
