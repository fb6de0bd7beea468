/** Every path that a connection can take through a cluster: in whose table it stands, and who counts it. */
import { join } from 'node:path';
import t from 'tap';
import type { Lab } from '../../src/demo/lab.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { type Addresses, FAMILIES } from '../../src/demo/topology.ts';
import { WorkloadProcess } from '../../src/demo/workload-process.ts';
import { clusterTests } from './cluster.ts';
import {
  API_1,
  DNS,
  GATEWAY_A,
  NODE_A,
  NODE_B,
  PATHS,
  PATH_SERVERS,
  STRANGER,
  WEB,
  WORKER,
  service,
  walk,
} from './paths.ts';
import { row, rowsOfBoth } from './rows.ts';

const test = await clusterTests(t, PATH_SERVERS);

for (const path of PATHS) test(path.sentence, (t, cluster) => walk(t, cluster, path));

test('UDP to a pod and to a service has no states but that it was answered', async (t, cluster) => {
  const { agents, traffic } = cluster;
  for (const family of FAMILIES) {
    await traffic.exchange('worker-0', { address: DNS[family], port: 5353 });
    await traffic.exchange('web-0', { address: service('dns')[family], port: 53 });
  }
  const edges = [
    { node: 'node-b', from: WORKER, to: DNS, port: 5353 },
    { node: 'node-a', from: WEB, to: service('dns'), port: 53 },
    { node: 'node-b', from: WEB, to: DNS, port: 5353, primary: false },
  ];
  const once = { opened: 1, active: { REPLIED: 1 } };
  await agents.show(
    t,
    edges.flatMap((edge) => rowsOfBoth({ ...edge, transport: 'udp' }, once)),
  );
});

test('ICMP has no port', async (t, { agents, lab }) => {
  const script = join(import.meta.dirname, 'send-raw.ts');
  const echo = async (to: string) => lab.namespace('web-0').run([process.execPath, script, to]);
  for (const address of Object.values(API_1)) await echo(address);
  const expected = (['icmp', 'icmpv6'] as const).flatMap((transport) => {
    const family = transport === 'icmp' ? 'ipv4' : 'ipv6';
    const edge = { from: WEB[family], to: API_1[family], port: undefined, transport };
    const once = { opened: 1, active: { REPLIED: 1 } };
    return [
      row({ node: 'node-a', ...edge }, once),
      row({ node: 'node-b', ...edge, primary: false }, once),
    ];
  });
  await agents.show(t, expected, { opened: FAMILIES.length });
});

test('a node that only forwards counts between ends nobody knows, and no others', async (t, cluster) => {
  const { agents, traffic } = cluster;
  const beyond: Addresses = { ipv4: '192.0.2.7', ipv6: '2001:db8:2::7' };
  await using namespace = await behindNodeA(cluster.lab, beyond);
  await using server = new WorkloadProcess('beyond', namespace);
  await server.call('listen', { transport: 'tcp', addresses: Object.values(beyond), port: 443 });
  for (const family of FAMILIES) {
    const peer = { address: beyond[family], port: 443 };
    await traffic.open('stranger', peer);
    await traffic.open('worker-0', peer);
  }
  const once = { opened: 1, active: { ESTABLISHED: 1 } };
  await agents.show(t, [
    ...rowsOfBoth({ node: 'node-a', from: STRANGER, to: beyond, port: 443 }, once),
    ...rowsOfBoth({ node: 'node-b', from: WORKER, to: beyond, port: 443 }, once),
    ...rowsOfBoth({ node: 'node-a', from: NODE_B, to: beyond, port: 443, primary: false }, once),
  ]);
});

/** A network namespace that nobody reaches but through node-a. */
async function behindNodeA(lab: Lab, addresses: Addresses): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create('beyond');
  await lab
    .namespace('node-a')
    .ip([
      `link add beyond type veth peer name eth0 netns ${namespace.pid}`,
      'link set beyond up',
      ...FAMILIES.map((family) => `address add ${GATEWAY_A[family]} dev beyond`),
      ...FAMILIES.map((family) => `route add ${addresses[family]} dev beyond`),
    ]);
  await namespace.sysctl({ 'net/ipv6/conf/eth0/accept_dad': '0' });
  await namespace.ip([
    'link set eth0 up',
    ...FAMILIES.flatMap((family) => [
      `address add ${addresses[family]} dev eth0`,
      `route add ${GATEWAY_A[family]} dev eth0`,
      `route add default via ${GATEWAY_A[family]}`,
    ]),
  ]);
  const routes = FAMILIES.map(
    (family) => `route add ${addresses[family]} via ${NODE_A[family]} src ${STRANGER[family]}`,
  );
  await lab.namespace('outside').ip(routes);
  return namespace;
}
