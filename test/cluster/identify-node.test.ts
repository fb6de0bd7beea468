import t from 'tap';
import { identifyNode } from '../../src/cluster/identify-node.ts';
import { RANK } from '../../src/inventory/claim.ts';

function claimsOf(node: Omit<Parameters<typeof identifyNode>[0], 'metadata'>, annotations = {}) {
  const { claims } = identifyNode({ metadata: { name: 'node-a', annotations }, ...node });
  return claims.map(({ address, rank, identity: { type } }) => [address, rank, type]);
}

t.test('a node claims those of its addresses that are addresses', async (t) => {
  const addresses = [
    { type: 'Hostname', address: 'node-a' },
    { type: 'InternalIP', address: '192.168.1.2' },
    { type: 'InternalIP', address: 'fd00:192:1::2' },
    { type: 'ExternalIP', address: '203.0.113.2' },
    { type: 'ExternalDNS', address: 'node-a.example' },
    { type: 'InternalIP', address: 'not an address' },
  ];
  t.strictSame(claimsOf({ status: { addresses } }), [
    ['192.168.1.2', RANK.nodeInternalIp, 'node'],
    ['fd00:192:1::2', RANK.nodeInternalIp, 'node'],
    ['203.0.113.2', RANK.nodeExternalIp, 'node'],
  ]);
});

t.test('whatever a node claims has its name, and is on it', async (t) => {
  const status = { addresses: [{ type: 'InternalIP', address: '192.168.1.2' }] };
  const { claims } = identifyNode({
    metadata: { name: 'node-a' },
    spec: { podCIDRs: ['10.1.1.0/24'] },
    status,
  });
  t.equal(claims.length, 3);
  for (const { identity } of claims) t.match(identity, { name: 'node-a', node: 'node-a' });
});

t.test('a node without addresses and without pod CIDRs owns nothing', async (t) => {
  t.strictSame(claimsOf({}), []);
  t.strictSame(claimsOf({ spec: {}, status: { addresses: [] } }), []);
});

t.test(
  'the first two addresses of each pod CIDR are the network and the gateway, of both families',
  async (t) => {
    const podCIDRs = ['10.1.1.0/24', 'fd00:10:1::/64'];
    t.strictSame(claimsOf({ spec: { podCIDR: '10.1.1.0/24', podCIDRs } }), [
      ['10.1.1.1', RANK.podCidrGateway, 'gateway'],
      ['10.1.1.0', RANK.podCidrNetwork, 'network'],
      ['fd00:10:1::1', RANK.podCidrGateway, 'gateway'],
      ['fd00:10:1::', RANK.podCidrNetwork, 'network'],
    ]);
  },
);

t.test('a pod CIDR that is none costs neither the node nor the other CIDR', async (t) => {
  const status = { addresses: [{ type: 'InternalIP', address: '192.168.1.2' }] };
  const podCIDRs = ['10.1.1.0/33', '', 'nonsense', '10.1.1.9/32', '10.1.2.0/24'];
  t.strictSame(claimsOf({ spec: { podCIDRs }, status }), [
    ['192.168.1.2', RANK.nodeInternalIp, 'node'],
    ['10.1.2.1', RANK.podCidrGateway, 'gateway'],
    ['10.1.2.0', RANK.podCidrNetwork, 'network'],
  ]);
});

t.test(
  'what a CNI wrote into annotations is claimed, with or without a prefix length',
  async (t) => {
    const annotations = {
      'flannel.alpha.coreos.com/public-ip': '203.0.113.9',
      'network.cilium.io/ipv4-cilium-host': '10.1.1.77',
      'projectcalico.org/IPv4IPIPTunnelAddr': '10.1.1.64/32',
      'projectcalico.org/IPv4VXLANTunnelAddr': '',
    };
    t.strictSame(claimsOf({}, annotations), [
      ['203.0.113.9', RANK.nodeExternalIp, 'node'],
      ['10.1.1.77', RANK.announced, 'gateway'],
      ['10.1.1.64', RANK.announced, 'network'],
    ]);
  },
);

function zone(labels: Record<string, string>) {
  return identifyNode({ metadata: { name: 'a', labels } }).zone;
}

t.test('the zone is that of the label, also of its older name', async (t) => {
  const older = { 'failure-domain.beta.kubernetes.io/zone': 'old' };
  t.equal(zone({ 'topology.kubernetes.io/zone': 'new', ...older }), 'new');
  t.equal(zone(older), 'old');
  t.equal(zone({}), undefined);
});
