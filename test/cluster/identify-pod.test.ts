import t from 'tap';
import { identifyPod } from '../../src/cluster/identify-pod.ts';
import { RANK } from '../../src/inventory/claim.ts';

type Pod = Parameters<typeof identifyPod>[0];

const CREATED = '2026-11-22T10:00:00Z';

function pod({ metadata, spec, status }: { [Part in keyof Pod]?: Partial<Pod[Part]> } = {}): Pod {
  return {
    metadata: { name: 'web-6d4f9-x2x1p', namespace: 'shop', ...metadata },
    spec: { nodeName: 'node-a', ...spec },
    status: {
      phase: 'Running',
      hostIP: '192.168.1.2',
      podIPs: [{ ip: '10.1.1.11' }, { ip: 'FD00:10:1:0::B' }],
      startTime: CREATED,
      ...status,
    },
  };
}

function identityOf(options: Parameters<typeof pod>[0]) {
  return identifyPod(pod(options))?.[0]?.identity;
}

function app(labels: Record<string, string>) {
  return identityOf({ metadata: { name: 'a', labels } })?.app;
}

t.test(
  'a pod claims its addresses of both families, in canonical text, since it started',
  async (t) => {
    const claim = {
      rank: RANK.pod,
      identity: { type: 'pod', name: 'web-6d4f9-x2x1p', namespace: 'shop', node: 'node-a' },
      startedAtMs: Date.parse(CREATED),
    };
    t.strictSame(identifyPod(pod()), [
      { address: '10.1.1.11', ...claim },
      { address: 'fd00:10:1::b', ...claim },
    ]);
  },
);

t.test('a pod without addresses yet, or of a server that knows only one', async (t) => {
  t.equal(identifyPod(pod({ status: { podIPs: [] } })), undefined);
  t.equal(identifyPod({ metadata: { name: 'new' } }), undefined);
  const { podIPs: _, ...status } = pod().status ?? {};
  t.match(identifyPod({ ...pod(), status: { ...status, podIP: '10.1.1.9' } }), [
    { address: '10.1.1.9' },
  ]);
});

t.test('a pod that has ended owns nothing, though its status keeps the addresses', async (t) => {
  for (const phase of ['Succeeded', 'Failed'])
    t.equal(identifyPod(pod({ status: { phase } })), undefined);
});

t.test("a hostNetwork pod never takes its node's address", async (t) => {
  t.equal(identifyPod(pod({ spec: { hostNetwork: true } })), undefined);
  const onHost = { podIPs: [{ ip: '192.168.1.2' }] };
  t.equal(identifyPod(pod({ status: onHost })), undefined, 'also where it does not say so');
});

t.test('a pod that is being deleted yields to one that is not', async (t) => {
  const claims = identifyPod(pod({ metadata: { name: 'web', deletionTimestamp: CREATED } }));
  t.ok(claims?.every(({ deleting }) => deleting === true));
});

t.test(
  'app is the first label of app, app.kubernetes.io/name, k8s-app that has a value',
  async (t) => {
    t.equal(app({ 'k8s-app': 'c', 'app.kubernetes.io/name': 'b', app: 'a' }), 'a');
    t.equal(app({ 'k8s-app': 'c', 'app.kubernetes.io/name': 'b', app: '' }), 'b');
    t.equal(app({ 'k8s-app': 'c' }), 'c');
    t.equal(app({ tier: 'front' }), undefined);
  },
);

t.test('the workload is what a person would say that the pod belongs to', async (t) => {
  const dueMinutes = Date.parse(CREATED) / 60_000;
  const cases: readonly [
    kind: string,
    owner: string,
    labels: Record<string, string>,
    workload: object,
  ][] = [
    [
      'ReplicaSet',
      'web-6d4f9',
      { 'pod-template-hash': '6d4f9' },
      { kind: 'Deployment', name: 'web' },
    ],
    [
      'ReplicaSet',
      'web-6d4f9',
      { 'rollouts-pod-template-hash': '6d4f9' },
      { kind: 'Rollout', name: 'web' },
    ],
    ['ReplicaSet', 'by-hand', {}, { kind: 'ReplicaSet', name: 'by-hand' }],
    [
      'ReplicaSet',
      '-6d4f9',
      { 'pod-template-hash': '6d4f9' },
      { kind: 'ReplicaSet', name: '-6d4f9' },
    ],
    ['StatefulSet', 'db', {}, { kind: 'StatefulSet', name: 'db' }],
    ['DaemonSet', 'logs', {}, { kind: 'DaemonSet', name: 'logs' }],
    ['Job', `report-${dueMinutes}`, {}, { kind: 'CronJob', name: 'report' }],
    ['Job', 'report-20261122', {}, { kind: 'Job', name: 'report-20261122' }],
    ['Job', 'migrate', {}, { kind: 'Job', name: 'migrate' }],
  ];
  for (const [kind, name, labels, workload] of cases) {
    const ownerReferences = [
      { kind: 'Other', name: 'not the controller' },
      { kind, name, controller: true },
    ];
    const metadata = { name: 'a', labels, ownerReferences, creationTimestamp: CREATED };
    t.strictSame(identityOf({ metadata })?.workload, workload, `${kind} ${name}`);
  }
  t.equal(identityOf({ metadata: { name: 'bare' } })?.workload, undefined);
});

t.test('a static pod is named after its manifest, without its node', async (t) => {
  const ownerReferences = [{ kind: 'Node', name: 'node-a', controller: true }];
  const metadata = { name: 'kube-apiserver-node-a', ownerReferences };
  t.strictSame(identityOf({ metadata })?.workload, { kind: 'Node', name: 'kube-apiserver' });
});
