import t from 'tap';
import { identifyEndpointSlice, identifyService } from '../../src/cluster/identify-service.ts';
import { RANK } from '../../src/inventory/claim.ts';

const metadata = { name: 'api', namespace: 'shop', labels: { app: 'api' } };
const identity = { type: 'service', name: 'api', namespace: 'shop', app: 'api' };

t.test(
  'a service claims its clusterIPs, the addresses of its load balancer, and externalIPs',
  async (t) => {
    const claims = identifyService({
      metadata,
      spec: {
        clusterIP: '10.96.0.10',
        clusterIPs: ['10.96.0.10', 'fd00:96::10'],
        externalIPs: ['198.51.100.1'],
      },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }, {}] } },
    });
    t.strictSame(claims, [
      { address: '10.96.0.10', rank: RANK.serviceClusterIp, identity },
      { address: 'fd00:96::10', rank: RANK.serviceClusterIp, identity },
      { address: '203.0.113.1', rank: RANK.loadBalancerIp, identity },
      { address: '198.51.100.1', rank: RANK.externalIp, identity },
    ]);
  },
);

t.test('a headless service and one of another name have no address', async (t) => {
  t.strictSame(
    identifyService({ metadata, spec: { clusterIP: 'None', clusterIPs: ['None'] } }),
    [],
  );
  const spec = { type: 'ExternalName', externalIPs: ['198.51.100.1'] };
  t.strictSame(identifyService({ metadata, spec }), []);
  t.strictSame(identifyService({ metadata }), []);
});

t.test('a service from before clusterIPs has its clusterIP', async (t) => {
  t.match(identifyService({ metadata, spec: { clusterIP: '10.96.0.10' } }), [
    { address: '10.96.0.10' },
  ]);
});

t.test('endpoints written by hand belong to their service', async (t) => {
  const labels = { 'kubernetes.io/service-name': 'legacy-db' };
  const slice = {
    metadata: { name: 'legacy-db-1', namespace: 'shop', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.7'] }, {}],
  };
  t.strictSame(identifyEndpointSlice(slice), [
    {
      address: '192.0.2.7',
      rank: RANK.endpointSlice,
      identity: { type: 'service', name: 'legacy-db', namespace: 'shop' },
    },
  ]);
  t.strictSame(identifyEndpointSlice({ ...slice, endpoints: null }), []);
  t.strictSame(identifyEndpointSlice({ ...slice, addressType: 'FQDN' }), []);
  t.strictSame(identifyEndpointSlice({ ...slice, metadata: { name: 'of-nobody' } }), []);
});
