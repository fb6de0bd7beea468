import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import { ClusterInventory } from '../../src/cluster/cluster-inventory.ts';
import type { Resource, Sink } from '../../src/cluster/resource.ts';
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from '../../src/cluster/resources.ts';
import { Inventory } from '../../src/inventory/inventory.ts';

type Kind = 'Pod' | 'Service' | 'Node' | 'EndpointSlice';

interface Object {
  readonly kind: Kind;
  readonly uid: string;
  /** As the API server would send it. */
  readonly object: unknown;
}

const AFTER_TOMBSTONES_MS = 3_600_000;
/** Few, so that they are contested. */
const ADDRESSES = ['10.1.1.0', '10.1.1.1', '10.1.1.2', '10.1.1.3', 'fd00::1'];

/** As the reflector hands objects over. */
function take<Kept>(resource: Resource<Kept>, sink: Sink<Kept>) {
  return {
    put: (uid: string, object: unknown) => {
      const kept = resource.keep(object);
      if (kept === undefined) sink.remove(uid);
      else sink.put(uid, kept);
    },
    remove: (uid: string) => sink.remove(uid),
  };
}

function cluster() {
  const clock = { nowMs: 0 };
  const inventory = new Inventory({ now: () => clock.nowMs });
  const objects = new ClusterInventory({ inventory });
  const kinds = {
    Pod: take(PODS, objects.owners),
    Service: take(SERVICES, objects.owners),
    Node: take(NODES, objects.nodes),
    EndpointSlice: take(ENDPOINT_SLICES, objects.owners),
  };
  return {
    clock,
    inventory,
    put: ({ kind, uid, object }: Object) => kinds[kind].put(uid, object),
    remove: ({ kind, uid }: Object) => kinds[kind].remove(uid),
  };
}

/** Who has which address, once what was deleted is forgotten. */
function mapOf({ inventory, clock }: ReturnType<typeof cluster>) {
  clock.nowMs += AFTER_TOMBSTONES_MS;
  inventory.expire();
  return Object.fromEntries(ADDRESSES.map((address) => [address, inventory.ownershipOf(address)]));
}

const node = (zone?: string) => ({
  kind: 'Node' as const,
  uid: 'node',
  object: {
    metadata: {
      name: 'node-a',
      labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone },
    },
    spec: { podCIDRs: ['10.1.1.0/24'] },
    status: { addresses: [{ type: 'InternalIP', address: '10.1.1.3' }] },
  },
});

const pod = (options: {
  uid: string;
  ip: string;
  phase?: string;
  second?: number;
  deleting?: boolean;
}) => {
  const { uid, ip, phase = 'Running', second = 0, deleting = false } = options;
  const startTime = new Date(second * 1000).toISOString();
  return {
    kind: 'Pod' as const,
    uid,
    object: {
      metadata: { name: uid, namespace: 'shop', ...(deleting && { deletionTimestamp: startTime }) },
      spec: { nodeName: 'node-a' },
      status: { phase, podIPs: [{ ip }], startTime },
    },
  };
};

const service = (uid: string, spec: object, status: object = {}) => ({
  kind: 'Service' as const,
  uid,
  object: { metadata: { name: uid, namespace: 'shop' }, spec, status },
});

t.test("a node's zone is joined to what lives there, whichever comes first", async (t) => {
  const { put, remove, inventory } = cluster();
  put(pod({ uid: 'before', ip: '10.1.1.2' }));
  t.equal(inventory.identityOf('10.1.1.2')?.topologyZone, undefined);
  put(node('z1'));
  t.equal(inventory.identityOf('10.1.1.2')?.topologyZone, 'z1');
  t.equal(inventory.identityOf('10.1.1.3')?.topologyZone, 'z1', 'the node itself too');
  put(pod({ uid: 'after', ip: 'fd00::1' }));
  t.equal(inventory.identityOf('fd00::1')?.topologyZone, 'z1');
  put(node('z2'));
  t.equal(inventory.identityOf('fd00::1')?.topologyZone, 'z2');
  remove(node());
  t.equal(inventory.identityOf('fd00::1')?.topologyZone, undefined);
});

/** A pod of the Deployment web, with all strings its own. */
function podOfWeb(name: string, ...ips: readonly string[]): Object {
  const { object, ...rest } = pod({ uid: name, ip: '' });
  const owner = { kind: 'ReplicaSet', name: 'web-6d4f9c7b8', controller: true };
  const labels = { 'pod-template-hash': '6d4f9c7b8' };
  const metadata = { ...object.metadata, labels, ownerReferences: [owner] };
  const status = { ...object.status, podIPs: ips.map((ip) => ({ ip })) };
  return { ...rest, object: structuredClone({ ...object, metadata, status }) };
}

t.test(
  'the addresses of a pod share an identity, and the pods of a workload share it',
  async (t) => {
    const { put, inventory } = cluster();
    put(podOfWeb('web-1', '10.1.1.1', 'fd00::1'));
    put(podOfWeb('web-2', '10.1.1.2'));
    for (const zone of ['z1', 'z2', undefined]) {
      put(node(zone));
      const first = inventory.identityOf('10.1.1.1');
      t.match(first, { topologyZone: zone, workload: { kind: 'Deployment', name: 'web' } });
      t.equal(inventory.identityOf('fd00::1'), first);
      t.equal(inventory.identityOf('10.1.1.2')?.workload, first?.workload);
    }
  },
);

t.test('who wins an address that several claim', async (t) => {
  const contests: readonly [
    sentence: string,
    address: string,
    winner: string,
    claimants: readonly Object[],
  ][] = [
    [
      'a pod, over a cloud that lists pod addresses with its node',
      '10.1.1.3',
      'web',
      [node(), pod({ uid: 'web', ip: '10.1.1.3' })],
    ],
    [
      'a pod, over what would be a gateway if there were one',
      '10.1.1.1',
      'web',
      [node(), pod({ uid: 'web', ip: '10.1.1.1' })],
    ],
    [
      'a live pod, over one that is being deleted',
      '10.1.1.2',
      'new',
      [
        pod({ uid: 'old', ip: '10.1.1.2', second: 9, deleting: true }),
        pod({ uid: 'new', ip: '10.1.1.2' }),
      ],
    ],
    [
      'a live pod, over one that has completed',
      '10.1.1.2',
      'new',
      [
        pod({ uid: 'new', ip: '10.1.1.2' }),
        pod({ uid: 'old', ip: '10.1.1.2', second: 9, phase: 'Succeeded' }),
      ],
    ],
    [
      'the pod that started later',
      '10.1.1.2',
      'new',
      [
        pod({ uid: 'new', ip: '10.1.1.2', second: 2 }),
        pod({ uid: 'old', ip: '10.1.1.2', second: 1 }),
      ],
    ],
    [
      'a node, over a load balancer on its own address',
      '10.1.1.3',
      'node-a',
      [node(), service('lb', {}, { loadBalancer: { ingress: [{ ip: '10.1.1.3' }] } })],
    ],
    [
      'a node, over an externalIP',
      '10.1.1.3',
      'node-a',
      [node(), service('ext', { externalIPs: ['10.1.1.3'] })],
    ],
    [
      'a clusterIP, over a node',
      '10.1.1.3',
      'svc',
      [node(), service('svc', { clusterIPs: ['10.1.1.3'] })],
    ],
  ];
  for (const [sentence, address, winner, claimants] of contests) {
    for (const order of [claimants, claimants.toReversed()]) {
      const { put, inventory } = cluster();
      for (const claimant of order) put(claimant);
      t.equal(inventory.identityOf(address)?.name, winner, sentence);
    }
  }
});

t.test('the deletion of a pod that comes late leaves the address to its heir', async (t) => {
  const { put, remove, inventory } = cluster();
  const old = pod({ uid: 'old', ip: '10.1.1.2', second: 1 });
  put(old);
  put(pod({ uid: 'new', ip: '10.1.1.2', second: 2 }));
  remove(old);
  t.equal(inventory.identityOf('10.1.1.2')?.name, 'new');
  t.match(inventory.ownershipOf('10.1.1.2'), { sinceMs: 2000, previous: { name: 'old' } });
});

t.test(
  'a deleted pod keeps its address for 5 minutes, and none under the empty text',
  async (t) => {
    const { put, remove, inventory, clock } = cluster();
    const web = pod({ uid: 'web', ip: '10.1.1.2' });
    put(web);
    remove(web);
    t.equal(inventory.identityOf('10.1.1.2')?.name, 'web');
    clock.nowMs += 5 * 60_000;
    inventory.expire();
    t.equal(inventory.identityOf('10.1.1.2'), undefined);
    put(pod({ uid: 'pending', ip: '' }));
    t.strictSame([...inventory.addresses()], []);
  },
);

const anyObject: fc.Arbitrary<Object> = fc.oneof(
  fc
    .record({
      uid: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
      ip: fc.constantFrom(...ADDRESSES),
      phase: fc.constantFrom('Running', 'Running', 'Succeeded'),
      second: fc.nat(3),
      deleting: fc.boolean(),
    })
    .map(pod),
  fc.constantFrom(undefined, 'z1', 'z2').map(node),
  fc
    .record({
      uid: fc.constantFrom('s1', 's2'),
      clusterIP: fc.constantFrom(...ADDRESSES),
      external: fc.constantFrom(...ADDRESSES),
    })
    .map(({ uid, clusterIP, external }) =>
      service(uid, { clusterIPs: [clusterIP], externalIPs: [external] }),
    ),
  fc
    .record({ uid: fc.constantFrom('e1'), address: fc.constantFrom(...ADDRESSES) })
    .map(({ uid, address }) => ({
      kind: 'EndpointSlice' as const,
      uid,
      object: {
        metadata: { name: uid, namespace: 'shop', labels: { 'kubernetes.io/service-name': uid } },
        endpoints: [{ addresses: [address] }],
      },
    })),
);

t.test('any order of events gives the map of a rebuild', async (t) => {
  const anyEvents = fc.array(fc.record({ object: anyObject, isRemoved: fc.boolean() }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(anyEvents, fc.infiniteStream(fc.nat()), (events, stream) => {
      const lived = cluster();
      const last = new Map<string, Object>();
      for (const { object, isRemoved } of events) {
        if (isRemoved) {
          lived.remove(object);
          last.delete(object.uid);
        } else {
          lived.put(object);
          last.set(object.uid, object);
        }
      }
      const rebuilt = cluster();
      const shuffled = [...last.values()]
        .map((object) => ({ object, at: stream.next().value }))
        .toSorted((a, b) => a.at - b.at);
      for (const { object } of shuffled) rebuilt.put(object);
      deepStrictEqual(mapOf(lived), mapOf(rebuilt));
    }),
    { numRuns: 500 },
  );
  t.pass('500 histories');
});
