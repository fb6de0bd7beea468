/** Attributes of one's own choice, on real connections: rows merge and divide, sums stay the truth. */
import t from 'tap';
import { FAMILIES, NODES, place, SERVICES } from '../../src/demo/topology.ts';
import { clusterTests } from './cluster.ts';
import type { Row } from './rows.ts';

const PORT = 8080;
const WEB = SERVICES.find(({ name }) => name === 'web')!;
const NODE_A = NODES[0]!;

const test = await clusterTests(t, [
  ['web-0', 'tcp', PORT],
  ['partner', 'tcp', PORT],
]);

test('addresses dropped, backends shown: both families are one series of a service', async (t, cluster) => {
  const dropped = ['src_ip', 'src_name', 'dst_ip', 'backend_ip'];
  const choice = ['--attribute-groups', 'backend', '--drop-attributes', dropped.join()];
  await using agents = await cluster.newAgents(choice);
  for (const family of FAMILIES) {
    const service = { address: WEB.addresses[family], port: WEB.port };
    await cluster.traffic.open('worker-0', service);
    await cluster.traffic.open('worker-0', service);
  }
  const counts = { opened: 4, closed: 0, active: { ESTABLISHED: 4 } };
  const worker = { src_type: 'pod', src_ns: 'shop', src_app: 'worker' };
  const rows: readonly Row[] = [
    {
      labels: {
        node: 'node-b',
        ...worker,
        dst_type: 'service',
        dst_ns: 'shop',
        dst_app: 'web',
        dst_name: 'web',
        dst_port: String(WEB.port),
        transport: 'tcp',
        primary: 'true',
        backend_type: 'pod',
        backend_port: String(PORT),
        backend_ns: 'shop',
        backend_app: 'web',
        backend_name: 'web-0',
      },
      ...counts,
    },
    {
      labels: {
        node: 'node-a',
        ...worker,
        dst_type: 'pod',
        dst_ns: 'shop',
        dst_app: 'web',
        dst_name: 'web-0',
        dst_port: String(PORT),
        transport: 'tcp',
        primary: 'false',
      },
      ...counts,
    },
  ];
  await agents.show(t, rows);
});

test('with --external-prefix, networks stand for the addresses outside', async (t, cluster) => {
  const { traffic } = cluster;
  await using agents = await cluster.newAgents(['--external-prefix', '16/32']);
  for (const family of FAMILIES) {
    const nodePort = { address: NODE_A.addresses[family], port: WEB.nodePort!.port };
    await traffic.open('stranger', nodePort);
    await traffic.open('web-0', { address: place('partner').addresses[family], port: PORT });
  }
  await agents.tick();
  const opened = (await agents.rows()).filter((row) => row.opened > 0);
  const ends = opened.map(({ labels }) => `${labels['src_ip']} > ${labels['dst_ip']}`);
  t.strictSame(ends.toSorted(), [
    '10.1.1.11 > 198.51.0.0/16',
    '2001:db8::/32 > fd00:192:1::2',
    '203.0.0.0/16 > 192.168.1.2',
    'fd00:10:1::11 > 2001:db8::/32',
  ]);
});
