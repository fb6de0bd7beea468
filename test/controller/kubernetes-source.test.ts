import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { controllerSettings } from '../../src/controller/config.ts';
import { startController } from '../../src/controller/controller.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { kubeconfig } from '../builders/kubeconfig.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { added, KubeApi, listEnd, type Call } from '../fakes/kube-api.ts';

const AGENT = 'system:serviceaccount:khan:khan-agent';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
const OFFICE = 'cidrs: { 10.20.0.0/16: { type: network, name: office-vpn } }\n';
const POD = {
  metadata: { uid: 'u', namespace: 'shop', name: 'web-0', resourceVersion: '1' },
  spec: { nodeName: 'node-a' },
  status: {
    phase: 'Running',
    startTime: '2026-01-01T00:00:00Z',
    podIP: '10.1.0.1',
    podIPs: [{ ip: '10.1.0.1' }],
  },
};

/** A controller that watches an API server, of which the test is the mind, and reviews tokens there. */
async function controller(t: Test) {
  const api = await KubeApi.listen(t);
  const files = { kubeconfig: kubeconfig({ server: `http://${api.host}` }), 'i.yaml': OFFICE };
  const folder = t.testdir(files);
  const argv = ['--kubeconfig', join(folder, 'kubeconfig'), '--tls', 'off'];
  argv.push('--inventory-file', join(folder, 'i.yaml'), '--service-accounts', 'khan/khan-agent');
  argv.push('--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0');
  const settings = readSettings(controllerSettings, argv, {});
  const subject = await startController({ settings, version: '0', log: capturedLog().log });
  t.teardown(() => subject[Symbol.asyncDispose]());
  const ready = async () => (await fetch(`${subject.metricsUrl}/readyz`)).status;
  const resolve = async (token: string) =>
    fetch(`${subject.url}/v1/resolve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: '{"node": "node-a", "want": ["10.1.0.1", "10.20.1.1"]}',
    });
  return { api, ready, resolve, subject };
}

t.test(
  'with Kubernetes as source it is ready when everything has been read, and stays so',
  async (t) => {
    const { api, ready, resolve, subject } = await controller(t);
    t.equal(await ready(), 503);
    t.equal((await resolve('agent')).status, 503, 'and reviews no token before');

    const calls: Call[] = [];
    while (calls.length < 4) calls.push(await api.next());
    t.strictSame(
      new Set(calls.map(({ path }) => path.split('/').at(-1))),
      new Set(['nodes', 'pods', 'services', 'endpointslices']),
    );
    for (const call of calls) {
      t.equal(await ready(), 503);
      if (call.path === '/api/v1/pods') call.send(added(POD));
      call.send(listEnd('1'));
    }
    while ((await ready()) !== 200) await delay(1);

    const asked = resolve('agent');
    const review = await api.next();
    t.equal(review.path, REVIEWS);
    t.match(await review.body(), { spec: { token: 'agent', audiences: ['khan-controller'] } });
    const user = { username: AGENT };
    review.json(201, { status: { authenticated: true, audiences: ['khan-controller'], user } });
    t.match(await (await asked).json(), {
      synced: true,
      stale: false,
      entries: {
        '10.1.0.1': { type: 'pod', namespace: 'shop', name: 'web-0', node: 'node-a' },
        '10.20.1.1': { type: 'network', name: 'office-vpn' },
      },
    });

    await api.stop();
    t.equal((await resolve('agent')).status, 200, 'what is known goes on');
    t.equal((await resolve('new')).status, 503, 'but nobody new is let in');
    t.equal(await ready(), 200);
    const interruption =
      /^khan_controller_watch_interruptions_total\{kind="Pod",reason="\w+"\} \d+$/m;
    let page = '';
    while (!interruption.test(page)) {
      page = await (await fetch(`${subject.metricsUrl}/metrics`)).text();
    }
    for (const line of [
      'khan_controller_objects{kind="Pod"} 1',
      'khan_controller_lists_total{kind="Pod",by="stream",reason="start"} 1',
      'khan_controller_watch_events_total{kind="Pod",type="ADDED"} 1',
      'khan_controller_token_reviews_total{result="accepted"} 1',
      'khan_controller_token_reviews_total{result="failed"} 1',
    ]) {
      t.match(page, `\n${line}\n`);
    }
    t.match(page, /^khan_controller_last_contact\{kind="Pod"\} \S+$/m);
  },
);
