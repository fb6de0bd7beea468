/** The paths of TCP connections through the lab, and in whose table each one stands. */
import type { Test } from 'tap';
import { type Addresses, NODES, SERVICES, place } from '../../src/demo/topology.ts';
import type { Connection } from '../../src/demo/traffic.ts';
import type { Cluster, Server } from './cluster.ts';
import { type Row, type TableEdge, rowsOfBoth } from './rows.ts';

/** Who answers on the paths. */
export const PATH_SERVERS: readonly Server[] = [
  ['web-0', 'tcp', 8080],
  ['api-0', 'tcp', 8080],
  ['api-1', 'tcp', 8080],
  ['monitor-0', 'tcp', 9100],
  ['partner', 'tcp', 443],
  ['stranger', 'tcp', 443],
  ['dns-0', 'udp', 5353],
];

interface CountedEdge extends TableEdge<Addresses> {
  /** Connections of each family; 1 unless given. */
  readonly opened?: number;
}

/** What one client does over both families, once for each server that answers. */
interface Path {
  readonly sentence: string;
  readonly client: string;
  readonly to: Addresses;
  readonly port: number;
  readonly servers: readonly string[];
  readonly tables: readonly CountedEdge[];
}

const at = (name: string) => place(name).addresses;
export const service = (name: string) => SERVICES.find((each) => each.name === name)!.addresses;

export const WEB = at('web-0');
const API_0 = at('api-0');
export const API_1 = at('api-1');
export const DNS = at('dns-0');
export const WORKER = at('worker-0');
export const STRANGER = at('stranger');
const PARTNER = at('partner');
export const { addresses: NODE_A, gateway: GATEWAY_A } = NODES.find(
  ({ name }) => name === 'node-a',
)!;
export const { addresses: NODE_B } = NODES.find(({ name }) => name === 'node-b')!;

export const PATHS: readonly Path[] = [
  {
    sentence: 'a pod to a pod on its node stands in one table',
    client: 'web-0',
    to: API_0,
    port: 8080,
    servers: ['api-0', 'api-0'],
    tables: [{ node: 'node-a', from: WEB, to: API_0, port: 8080, opened: 2 }],
  },
  {
    sentence: 'a pod to a pod on another node stands in two tables, and the client counts',
    client: 'web-0',
    to: API_1,
    port: 8080,
    servers: ['api-1'],
    tables: [
      { node: 'node-a', from: WEB, to: API_1, port: 8080 },
      { node: 'node-b', from: WEB, to: API_1, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a pod to a service with its backend on the same node stands in one table',
    client: 'api-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [{ node: 'node-a', from: API_0, to: service('web'), port: 80 }],
  },
  {
    sentence: 'a pod to a service with its backend on another node is to the pod over there',
    client: 'worker-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [
      { node: 'node-b', from: WORKER, to: service('web'), port: 80 },
      { node: 'node-a', from: WORKER, to: WEB, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a service with backends on both nodes is one edge for its client',
    client: 'web-0',
    to: service('api'),
    port: 80,
    servers: ['api-0', 'api-1'],
    tables: [
      { node: 'node-a', from: WEB, to: service('api'), port: 80, opened: 2 },
      { node: 'node-b', from: WEB, to: API_1, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a pod to itself through its own service (hairpin) is counted once',
    client: 'web-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [{ node: 'node-a', from: WEB, to: service('web'), port: 80 }],
  },
  {
    sentence: 'a pod to a named network outside shows the pod, though it is masqueraded',
    client: 'worker-0',
    to: PARTNER,
    port: 443,
    servers: ['partner'],
    tables: [{ node: 'node-b', from: WORKER, to: PARTNER, port: 443 }],
  },
  {
    sentence: 'a pod to an unknown address outside has no names on that side',
    client: 'web-0',
    to: STRANGER,
    port: 443,
    servers: ['stranger'],
    tables: [{ node: 'node-a', from: WEB, to: STRANGER, port: 443 }],
  },
  {
    sentence:
      'a NodePort with SNAT is counted where the client came in, for backends on both nodes',
    client: 'stranger',
    to: NODE_A,
    port: 30080,
    servers: ['api-0', 'api-1'],
    tables: [
      { node: 'node-a', from: STRANGER, to: NODE_A, port: 30080, opened: 2 },
      { node: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a NodePort without SNAT is counted where client and backend meet',
    client: 'stranger',
    to: NODE_A,
    port: 30081,
    servers: ['web-0'],
    tables: [{ node: 'node-a', from: STRANGER, to: NODE_A, port: 30081 }],
  },
  {
    sentence: 'a hostNetwork pod to a pod on its node comes from the gateway',
    client: 'monitor-0',
    to: API_0,
    port: 8080,
    servers: ['api-0'],
    tables: [{ node: 'node-a', from: GATEWAY_A, to: API_0, port: 8080 }],
  },
  {
    sentence: 'a hostNetwork pod to a pod on another node comes from its node',
    client: 'monitor-0',
    to: API_1,
    port: 8080,
    servers: ['api-1'],
    tables: [
      { node: 'node-a', from: NODE_A, to: API_1, port: 8080 },
      { node: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a hostNetwork pod to a service comes from its node, wherever the backend is',
    client: 'monitor-0',
    to: service('api'),
    port: 80,
    servers: ['api-0', 'api-1'],
    tables: [
      { node: 'node-a', from: NODE_A, to: service('api'), port: 80, opened: 2 },
      { node: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false },
    ],
  },
  {
    sentence: 'a pod to a hostNetwork pod is to its node',
    client: 'api-1',
    to: NODE_A,
    port: 9100,
    servers: ['monitor-0'],
    tables: [
      { node: 'node-b', from: API_1, to: NODE_A, port: 9100 },
      { node: 'node-a', from: API_1, to: NODE_A, port: 9100, primary: false },
    ],
  },
];

/** Opens and closes the path's connections; the agents must show them where they stand, and count once. */
export async function walk(
  t: Test,
  { agents, traffic }: Pick<Cluster, 'agents' | 'traffic'>,
  { client, to, port, servers, tables }: Path,
): Promise<void> {
  const open = await openPath(traffic, { client, to, port, servers });
  t.same(
    open.map(({ truth }) => truth.seen?.server).toSorted(alphabetically),
    [...servers, ...servers].toSorted(alphabetically),
  );
  await agents.show(t, rowsIn('ESTABLISHED', tables));

  for (const connection of open) await traffic.close(connection, 'orderly');
  await agents.show(t, rowsIn('TIME_WAIT', tables));
}

/** The path's connections of both families, in the order in which they were opened. */
export async function openPath(
  traffic: Cluster['traffic'],
  { client, to, port, servers }: Pick<Path, 'client' | 'to' | 'port' | 'servers'>,
): Promise<readonly Connection[]> {
  const open: Connection[] = [];
  for (const address of Object.values(to))
    for (const _ of servers) open.push(await traffic.open(client, { address, port }));
  return open;
}

/** What tables say of a path's connections that are in this state. */
export function rowsIn(state: string, tables: Path['tables']): readonly Row[] {
  return tables.flatMap(({ opened = 1, ...edge }) =>
    rowsOfBoth(edge, { opened, active: { [state]: opened } }),
  );
}

function alphabetically(a = '', b = ''): number {
  return a.localeCompare(b);
}
