/** Every path that a connection can take through a cluster: in whose table it stands, and who counts it. */
import { join } from 'node:path';
import t from 'tap';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { type Addresses, FAMILIES, NODES, SERVICES, place } from '../../src/demo/topology.ts';
import { WorkloadProcess } from '../../src/demo/workload-process.ts';
import { clusterTests } from './cluster.ts';
import { row } from './rows.ts';

t.setTimeout(120_000);

const test = await clusterTests(t);

const at = (name: string) => place(name).addresses;
const service = (name: string) => SERVICES.find((each) => each.name === name)!.addresses;
const node = (name: string) => NODES.find((each) => each.name === name)!;

const WEB = at('web-0');
const API_0 = at('api-0');
const API_1 = at('api-1');
const DNS = at('dns-0');
const WORKER = at('worker-0');
const STRANGER = at('stranger');
const PARTNER = at('partner');
const NODE_A = node('node-a').addresses;
const NODE_B = node('node-b').addresses;
const GATEWAY_A = node('node-a').gateway;

/** One edge in one table, and how many of the path's connections are its own. */
interface Expected {
  readonly on: 'node-a' | 'node-b';
  readonly from: Addresses;
  readonly to: Addresses;
  readonly port: number;
  readonly primary: boolean;
  readonly opened: number;
}

interface Path {
  readonly sentence: string;
  readonly client: string;
  readonly to: Addresses;
  readonly port: number;
  /** Who answers, one connection each. */
  readonly servers: readonly string[];
  readonly tables: readonly Expected[];
}

const PATHS: readonly Path[] = [
  {
    sentence: 'a pod to a pod on its node stands in one table',
    client: 'web-0',
    to: API_0,
    port: 8080,
    servers: ['api-0', 'api-0'],
    tables: [{ on: 'node-a', from: WEB, to: API_0, port: 8080, primary: true, opened: 2 }],
  },
  {
    sentence: 'a pod to a pod on another node stands in two tables, and the client counts',
    client: 'web-0',
    to: API_1,
    port: 8080,
    servers: ['api-1'],
    tables: [
      { on: 'node-a', from: WEB, to: API_1, port: 8080, primary: true, opened: 1 },
      { on: 'node-b', from: WEB, to: API_1, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a pod to a service with its backend on the same node stands in one table',
    client: 'api-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [{ on: 'node-a', from: API_0, to: service('web'), port: 80, primary: true, opened: 1 }],
  },
  {
    sentence: 'a pod to a service with its backend on another node is to the pod over there',
    client: 'worker-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [
      { on: 'node-b', from: WORKER, to: service('web'), port: 80, primary: true, opened: 1 },
      { on: 'node-a', from: WORKER, to: WEB, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a service with backends on both nodes is one edge for its client',
    client: 'web-0',
    to: service('api'),
    port: 80,
    servers: ['api-0', 'api-1'],
    tables: [
      { on: 'node-a', from: WEB, to: service('api'), port: 80, primary: true, opened: 2 },
      { on: 'node-b', from: WEB, to: API_1, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a pod to itself through its own service (hairpin) is counted once',
    client: 'web-0',
    to: service('web'),
    port: 80,
    servers: ['web-0'],
    tables: [{ on: 'node-a', from: WEB, to: service('web'), port: 80, primary: true, opened: 1 }],
  },
  {
    sentence: 'a pod to a named network outside shows the pod, though it is masqueraded',
    client: 'worker-0',
    to: PARTNER,
    port: 443,
    servers: ['partner'],
    tables: [{ on: 'node-b', from: WORKER, to: PARTNER, port: 443, primary: true, opened: 1 }],
  },
  {
    sentence: 'a pod to an unknown address outside has no names on that side',
    client: 'web-0',
    to: STRANGER,
    port: 443,
    servers: ['stranger'],
    tables: [{ on: 'node-a', from: WEB, to: STRANGER, port: 443, primary: true, opened: 1 }],
  },
  {
    sentence:
      'a NodePort with SNAT is counted where the client came in, for backends on both nodes',
    client: 'stranger',
    to: NODE_A,
    port: 30080,
    servers: ['api-0', 'api-1'],
    tables: [
      { on: 'node-a', from: STRANGER, to: NODE_A, port: 30080, primary: true, opened: 2 },
      { on: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a NodePort without SNAT is counted where client and backend meet',
    client: 'stranger',
    to: NODE_A,
    port: 30081,
    servers: ['web-0'],
    tables: [{ on: 'node-a', from: STRANGER, to: NODE_A, port: 30081, primary: true, opened: 1 }],
  },
  {
    sentence: 'a hostNetwork pod to a pod on its node comes from the gateway',
    client: 'monitor-0',
    to: API_0,
    port: 8080,
    servers: ['api-0'],
    tables: [{ on: 'node-a', from: GATEWAY_A, to: API_0, port: 8080, primary: true, opened: 1 }],
  },
  {
    sentence: 'a hostNetwork pod to a pod on another node comes from its node',
    client: 'monitor-0',
    to: API_1,
    port: 8080,
    servers: ['api-1'],
    tables: [
      { on: 'node-a', from: NODE_A, to: API_1, port: 8080, primary: true, opened: 1 },
      { on: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a hostNetwork pod to a service comes from its node, wherever the backend is',
    client: 'monitor-0',
    to: service('api'),
    port: 80,
    servers: ['api-0', 'api-1'],
    tables: [
      { on: 'node-a', from: NODE_A, to: service('api'), port: 80, primary: true, opened: 2 },
      { on: 'node-b', from: NODE_A, to: API_1, port: 8080, primary: false, opened: 1 },
    ],
  },
  {
    sentence: 'a pod to a hostNetwork pod is to its node',
    client: 'api-1',
    to: NODE_A,
    port: 9100,
    servers: ['monitor-0'],
    tables: [
      { on: 'node-b', from: API_1, to: NODE_A, port: 9100, primary: true, opened: 1 },
      { on: 'node-a', from: API_1, to: NODE_A, port: 9100, primary: false, opened: 1 },
    ],
  },
];

test('the servers listen', async (_, { traffic }) => {
  for (const [server, transport, port] of [
    ['web-0', 'tcp', 8080],
    ['api-0', 'tcp', 8080],
    ['api-1', 'tcp', 8080],
    ['monitor-0', 'tcp', 9100],
    ['partner', 'tcp', 443],
    ['stranger', 'tcp', 443],
    ['dns-0', 'udp', 5353],
  ] as const)
    await traffic.listen(server, transport, port);
});

for (const family of FAMILIES) {
  for (const { sentence, client, to, port, servers, tables } of PATHS) {
    test(`${sentence}, over ${family}`, async (t, cluster) => {
      const { traffic } = cluster;
      await using agents = await cluster.watch();
      const rows = (state: string) =>
        tables.map(({ on, from, to, port, primary, opened }) =>
          row(
            { node: on, from: from[family], to: to[family], port, primary },
            { opened, active: { [state]: opened } },
          ),
        );
      const open = [];
      for (const _ of servers) open.push(await traffic.open(client, { address: to[family], port }));
      t.same(open.map(({ truth }) => truth.seen?.server).toSorted(), servers);
      await agents.shows(t, rows('ESTABLISHED'));

      for (const connection of open) await traffic.close(connection, 'orderly');
      await agents.shows(t, rows('TIME_WAIT'));
    });
  }

  test(`UDP to a pod and to a service counts exchanges, over ${family}`, async (t, cluster) => {
    const { traffic } = cluster;
    await using agents = await cluster.watch();
    for (let time = 0; time < 2; time++) {
      await traffic.exchange('worker-0', { address: DNS[family], port: 5353 });
      await traffic.exchange('web-0', { address: service('dns')[family], port: 53 });
    }
    const edge = (node: string, from: Addresses, to: Addresses, port: number, primary = true) =>
      row(
        { node, from: from[family], to: to[family], port, transport: 'udp', primary },
        { opened: 2, active: { REPLIED: 2 } },
      );
    await agents.shows(t, [
      edge('node-b', WORKER, DNS, 5353),
      edge('node-a', WEB, service('dns'), 53),
      edge('node-b', WEB, DNS, 5353, false),
    ]);
  });

  test(`ICMP has no port, over ${family}`, async (t, cluster) => {
    await using agents = await cluster.watch();
    await cluster.lab
      .namespace('web-0')
      .run([process.execPath, join(import.meta.dirname, 'send-echo.ts'), API_1[family]]);
    const edge = {
      from: WEB[family],
      to: API_1[family],
      port: undefined,
      transport: family === 'ipv4' ? 'icmp' : 'icmpv6',
    };
    const once = { opened: 1, active: { REPLIED: 1 } };
    const expected = [
      row({ node: 'node-a', ...edge }, once),
      row({ node: 'node-b', ...edge, primary: false }, once),
    ];
    await agents.shows(t, expected, { opened: 1 });
  });
}

test('a node that only forwards counts between ends nobody knows, and no others', async (t, cluster) => {
  const { lab, traffic } = cluster;
  const beyond: Addresses = { ipv4: '192.0.2.7', ipv6: '2001:db8:2::7' };
  await using namespace = await NetworkNamespace.create('beyond');
  await lab
    .namespace('node-a')
    .ip([
      `link add beyond type veth peer name eth0 netns ${namespace.pid}`,
      'link set beyond up',
      ...FAMILIES.map((family) => `route add ${beyond[family]} dev beyond`),
    ]);
  await namespace.ip([
    'link set eth0 up',
    ...FAMILIES.flatMap((family) => [
      `address add ${beyond[family]} dev eth0`,
      `route add ${NODE_A[family]} dev eth0`,
      `route add default via ${NODE_A[family]}`,
    ]),
  ]);
  await lab
    .namespace('outside')
    .ip(
      FAMILIES.map(
        (family) => `route add ${beyond[family]} via ${NODE_A[family]} src ${STRANGER[family]}`,
      ),
    );
  await using server = new WorkloadProcess('beyond', namespace);
  await server.call('listen', { transport: 'tcp', addresses: Object.values(beyond), port: 443 });

  await using agents = await cluster.watch();
  for (const family of FAMILIES) {
    const peer = { address: beyond[family], port: 443 };
    await traffic.open('stranger', peer);
    await traffic.open('worker-0', peer);
  }
  const once = { opened: 1, active: { ESTABLISHED: 1 } };
  await agents.shows(
    t,
    FAMILIES.flatMap((family) => {
      const to = { to: beyond[family], port: 443 };
      return [
        row({ node: 'node-a', from: STRANGER[family], ...to }, once),
        row({ node: 'node-b', from: WORKER[family], ...to }, once),
        row({ node: 'node-a', from: NODE_B[family], ...to, primary: false }, once),
      ];
    }),
  );
});
