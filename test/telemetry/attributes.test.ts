import t from 'tap';
import type { Edge, Endpoint } from '../../src/connections/edge.ts';
import {
  connectionAttributes,
  overflowAttributes,
  type AttributeChoice,
} from '../../src/telemetry/attributes.ts';
import { WHOLE_ADDRESS } from '../../src/telemetry/external-prefix.ts';

const web: Endpoint = {
  address: '10.1.0.11',
  identity: { type: 'pod', name: 'web-6d4f9-x2x1p', namespace: 'shop', app: 'web' },
  node: 'node-a',
  hasEnded: false,
};
const api: Endpoint = {
  address: '10.96.0.10',
  identity: { type: 'service', name: 'api', namespace: 'shop', app: 'api' },
  node: undefined,
  hasEnded: false,
};

function edge(overrides: Partial<Edge> = {}): Edge {
  return {
    source: web,
    destination: api,
    backend: api,
    protocol: 6,
    port: 443,
    backendPort: 8443,
    sourceTranslated: false,
    primary: true,
    ...overrides,
  };
}

t.test(
  'an edge between two known ends has the base attributes in the order of the page',
  async (t) => {
    t.strictSame(Object.entries(connectionAttributes(edge(), 'node-a')), [
      ['node', 'node-a'],
      ['src_type', 'pod'],
      ['src_ip', '10.1.0.11'],
      ['src_ns', 'shop'],
      ['src_app', 'web'],
      ['src_name', 'web-6d4f9-x2x1p'],
      ['dst_type', 'service'],
      ['dst_ip', '10.96.0.10'],
      ['dst_ns', 'shop'],
      ['dst_app', 'api'],
      ['dst_name', 'api'],
      ['dst_port', 443],
      ['transport', 'tcp'],
      ['primary', true],
    ]);
  },
);

t.test('what has no value is left out', async (t) => {
  const stranger = {
    address: '2001:db8::1',
    identity: undefined,
    node: undefined,
    hasEnded: false,
  };
  const ping = edge({ source: stranger, destination: stranger, protocol: 58, port: undefined });
  t.strictSame(connectionAttributes(ping, 'node-a'), {
    node: 'node-a',
    src_ip: '2001:db8::1',
    dst_ip: '2001:db8::1',
    transport: 'icmpv6',
    primary: true,
  });
});

t.test('port 0 is a port', async (t) => {
  t.equal(connectionAttributes(edge({ port: 0 }), 'node-a')['dst_port'], 0);
});

for (const [protocol, transport] of [
  [1, 'icmp'],
  [17, 'udp'],
  [33, 'dccp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [132, 'sctp'],
  [136, 'udplite'],
  [253, '253'],
] as const) {
  t.test(`protocol ${protocol} is transport ${transport}`, async (t) => {
    t.equal(connectionAttributes(edge({ protocol }), 'node-a')['transport'], transport);
  });
}

t.test('overflow keeps the node and whether this agent counts', async (t) => {
  t.strictSame(overflowAttributes('node-a', false), {
    'otel.metric.overflow': true,
    node: 'node-a',
    primary: false,
  });
});

const pod: Endpoint = {
  address: '10.1.0.22',
  identity: {
    type: 'pod',
    name: 'api-1',
    namespace: 'shop',
    app: 'api',
    workload: { kind: 'Deployment', name: 'api' },
    topologyZone: 'zone-1',
  },
  node: 'node-b',
  hasEnded: false,
};

function choose(choice: Partial<AttributeChoice>): AttributeChoice {
  return { groups: [], dropped: [], externalPrefix: WHOLE_ADDRESS, ...choice };
}

function added(one: Edge, choice: Partial<AttributeChoice>): Record<string, unknown> {
  const base = connectionAttributes(one, 'node-a');
  const all = connectionAttributes(one, 'node-a', choose(choice));
  return Object.fromEntries(Object.entries(all).filter(([name]) => !(name in base)));
}

t.test('group backend tells who answered, where it was not the destination itself', async (t) => {
  t.strictSame(added(edge({ backend: pod }), { groups: ['backend'] }), {
    backend_type: 'pod',
    backend_ip: '10.1.0.22',
    backend_port: 8443,
    backend_ns: 'shop',
    backend_app: 'api',
    backend_name: 'api-1',
  });
  const direct = edge({ destination: pod, backend: pod, backendPort: 443 });
  t.strictSame(added(direct, { groups: ['backend'] }), {});
  const otherPort = { ...direct, backendPort: 8443 };
  t.match(added(otherPort, { groups: ['backend'] }), { backend_port: 8443 });
});

t.test(
  'group workload tells what owns both ends, group topology_zone where they are',
  async (t) => {
    const both = edge({ destination: pod });
    t.strictSame(added(both, { groups: ['workload', 'topology_zone'] }), {
      dst_workload_kind: 'Deployment',
      dst_workload_name: 'api',
      dst_zone: 'zone-1',
    });
    t.strictSame(added(edge({ source: pod }), { groups: ['topology_zone', 'workload'] }), {
      src_workload_kind: 'Deployment',
      src_workload_name: 'api',
      src_zone: 'zone-1',
    });
  },
);

t.test('what is dropped is not there, in overflow neither', async (t) => {
  const dropped = ['node', 'src_ip', 'src_name', 'dst_ip', 'dst_name', 'backend_ip'];
  const choice = choose({ groups: ['backend'], dropped });
  t.strictSame(Object.keys(connectionAttributes(edge({ backend: pod }), 'node-a', choice)), [
    'src_type',
    'src_ns',
    'src_app',
    'dst_type',
    'dst_ns',
    'dst_app',
    'dst_port',
    'transport',
    'primary',
    'backend_type',
    'backend_port',
    'backend_ns',
    'backend_app',
    'backend_name',
  ]);
  t.strictSame(overflowAttributes('node-a', true, choice), {
    'otel.metric.overflow': true,
    primary: true,
  });
});

t.test('addresses outside the cluster are told as far as the prefix goes', async (t) => {
  const stranger = {
    address: '198.51.100.7',
    identity: undefined,
    node: undefined,
    hasEnded: false,
  };
  const choice = choose({ externalPrefix: { ipv4: 24, ipv6: 64 } });
  t.match(connectionAttributes(edge({ source: stranger }), 'node-a', choice), {
    src_ip: '198.51.100.0/24',
    dst_ip: '10.96.0.10',
  });
});
