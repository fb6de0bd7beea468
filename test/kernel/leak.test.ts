/** Two clients of one server: one leaks, the other has a pool. The real agent tells them apart. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';
import { startAgent } from '../fakes/khan-process.ts';
import { otlpReceiver, plain } from '../fakes/otlp-receiver.ts';
import { TrackedNamespace } from '../fakes/tracked-namespace.ts';
import { skip } from './skip.ts';

t.setTimeout(180_000);

const LEAKING = '10.1.0.11';
const POOLED = '10.1.0.12';
const SERVER = '10.1.0.22';
const PORT = 5432;
const POOL = 40;
/** Eight windows of twelve snapshots, each of 200 ms, and time for a slow machine. */
const PATIENCE_MS = 120_000;
const INVENTORY = `
addresses:
  ${LEAKING}: { type: pod, namespace: shop, app: cart, name: cart-0, node: node-a }
  ${POOLED}: { type: pod, namespace: shop, app: web, name: web-0, node: node-a }
  ${SERVER}: { type: pod, namespace: shop, app: db, name: db-0, node: node-a }
`;

t.test('a client that leaks is told from one with a pool', { skip }, async (t) => {
  const receiver = await otlpReceiver(t);
  const namespace = await TrackedNamespace.create(t, [LEAKING, POOLED, SERVER]);
  const inventory = join(t.testdir({ 'inventory.yaml': INVENTORY }), 'inventory.yaml');
  const { agent, url } = await startAgent(
    t,
    ['--netns', namespace.path, '--inventory-file', inventory, '--leak-window', '1s'],
    { env: { OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: `${receiver.endpoint}/v1/logs` } },
  );
  const toServer = { destination: SERVER, port: PORT };
  await namespace.open({ ...toServer, source: POOLED, count: POOL });
  const endMs = performance.now() + PATIENCE_MS;
  while (receiver.logs.length === 0 && performance.now() < endMs) {
    await namespace.open({ ...toServer, source: LEAKING, count: 1 });
    await delay(100);
  }

  const page = await (await fetch(`${url}/metrics`)).text();
  const scores = new Map(
    parsePage(page)
      .filter(({ name }) => name === 'khan_connection_leak_score')
      .map(({ labels, value }) => [labels['src_app'], value]),
  );
  t.equal(scores.get('web'), 0);
  t.ok((scores.get('cart') ?? 0) >= 0.7);

  const [record, ...others] = receiver.logs.flatMap(({ records }) => records);
  t.strictSame(others, []);
  t.match(record, {
    eventName: 'khan.connection.leak',
    body: { stringValue: /^shop\/cart leaks \S+ connections a minute to shop\/db:5432 since / },
  });
  t.match(plain(record?.attributes ?? []), {
    src_name: 'cart-0',
    dst_name: 'db-0',
    leak_state: 'began',
    leak_reason: 'growth',
  });
  const told = await agent.logged(record?.body.stringValue ?? '');
  t.match(told, { level: 'warn', event: 'khan.connection.leak', src_app: 'cart' });
});
