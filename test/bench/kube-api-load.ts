/**
 * An API server of its own process that has nothing but bulk: pods of 8 KB, made as they are sent, as a
 * watch-list and then as a watch with some churn; nodes, services, and reviews of tokens. On plain
 * HTTP, so that what is measured beside it is not its own encryption. Prints its port. All watches
 * tell the same story, from the beginning. A message to it asks how many pods have been replaced;
 * 'freeze' stops that as well.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { integer, readSettings } from '../../src/runtime/settings.ts';
import {
  addressOf,
  appOf,
  namespaceOf,
  nodeAddress,
  podName,
  PodTable,
  serviceAddress,
  type Pod,
} from './pod-table.ts';

const SERVICES_PER_NODE = 2;
const POD_BYTES = 8192;
const CHURN_MS = 200;

const settings = {
  pods: integer({ default: 1000, min: 1, max: 1_000_000, description: 'Pods' }),
  churn: integer({
    default: 1,
    min: 0,
    max: 100,
    description: 'Percent of all pods that are replaced a minute, once they have been read',
  }),
} as const;
const { pods, churn: churnPercent } = readSettings(settings, process.argv.slice(2), {});
const { nodes } = new PodTable(pods);
const startTime = new Date().toISOString();
let revision = 1;
let churnBeganMs: number | undefined;
let frozenAt: number | undefined;

function replaced(): number {
  const elapsedMs = performance.now() - (churnBeganMs ?? Infinity);
  const perMs = (pods * churnPercent) / 100 / 60_000;
  return frozenAt ?? Math.max(0, Math.floor(elapsedMs * perMs));
}

process.on('message', (message) => {
  if (message === 'freeze') frozenAt ??= replaced();
  process.send?.(replaced());
});

function podText(table: PodTable, pod: Pod): string {
  const { slot, serial } = pod;
  const ip = addressOf(slot);
  const ip6 = `fd00:10::${(slot >> 16).toString(16)}:${(slot & 0xffff).toString(16)}`;
  const app = appOf(pod);
  const node = table.nodeOf(pod);
  const startedAt = serial < pods ? startTime : new Date().toISOString();
  const text = JSON.stringify({
    metadata: {
      name: podName(pod),
      namespace: namespaceOf(pod),
      uid: `00000000-0000-4000-8000-${String(serial).padStart(12, '0')}`,
      resourceVersion: String(++revision),
      creationTimestamp: startedAt,
      labels: { app, 'pod-template-hash': '6d4f9c7b8' },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-6d4f9c7b8`, controller: true },
      ],
    },
    spec: { nodeName: `node-${node}`, containers: [] },
    status: {
      phase: 'Running',
      hostIP: nodeAddress(node),
      podIP: ip,
      podIPs: [{ ip }, { ip: ip6 }],
      startTime: startedAt,
    },
  });
  const filler = 'f:status '.repeat(Math.ceil((POD_BYTES - text.length) / 9));
  // Where managedFields and containers would be.
  return `${text.slice(0, -1)},"filler":"${filler}"}`;
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
  const clusterIP = serviceAddress(number);
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

async function churn(response: ServerResponse, table: PodTable): Promise<void> {
  churnBeganMs ??= performance.now();
  while (!response.destroyed) {
    await delay(CHURN_MS);
    for (let due = replaced() - table.replaced; due > 0 && !response.destroyed; due--) {
      const { old, next } = table.replaceNext();
      await send(response, 'DELETED', podText(table, old));
      await send(response, 'ADDED', podText(table, next));
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
      case 'pods': {
        const table = new PodTable(pods);
        const textOf = (replica: number) => podText(table, table.podOf(replica));
        await watch(response, { count: pods, textOf });
        return churn(response, table);
      }
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
