import t from 'tap';
import type { Edge, Endpoint } from '../../src/connections/edge.ts';
import { connectionAttributes, overflowAttributes } from '../../src/telemetry/attributes.ts';

const web: Endpoint = {
  address: '10.1.0.11',
  identity: { type: 'pod', name: 'web-6d4f9-x2x1p', namespace: 'shop', app: 'web' },
  node: 'node-a',
};
const api: Endpoint = {
  address: '10.96.0.10',
  identity: { type: 'service', name: 'api', namespace: 'shop', app: 'api' },
  node: undefined,
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
  const stranger = { address: '2001:db8::1', identity: undefined, node: undefined };
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
