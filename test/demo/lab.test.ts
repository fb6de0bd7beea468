import t from 'tap';
import { Lab } from '../../src/demo/lab.ts';
import { Scenario } from '../../src/demo/scenario.ts';
import { FAMILIES, SERVICES, inventoryFile, place } from '../../src/demo/topology.ts';
import { Traffic, openNow } from '../../src/demo/traffic.ts';
import { skip } from '../kernel/skip.ts';

t.setTimeout(120_000);

t.test('the lab', { skip }, async (t) => {
  const { signal } = new AbortController();
  await using lab = await Lab.create({ signal });
  await using traffic = new Traffic(lab);
  const scenario = new Scenario(traffic, { withPing: false });
  await scenario.start();

  for (const family of FAMILIES) {
    const address = (name: string) => place(name).addresses[family];
    const service = (name: string) =>
      SERVICES.find((each) => each.name === name)!.addresses[family];
    const seenBy = async (client: string, to: { address: string; port: number }) => {
      const connection = await traffic.open(client, to);
      await traffic.close(connection, 'orderly');
      return connection.truth.seen;
    };

    await t.test(`both backends of a service answer over ${family}, and see the pod`, async (t) => {
      const seen = [];
      for (let time = 0; time < 2; time++)
        seen.push(await seenBy('web-0', { address: service('api'), port: 80 }));
      t.same(new Set(seen.map((each) => each?.server)), new Set(['api-0', 'api-1']));
      t.ok(seen.every((each) => each?.source === address('web-0') && each.port === 8080));
    });

    await t.test(
      `a pod reaches itself through its service over ${family}, as its gateway`,
      async (t) => {
        const seen = await seenBy('web-0', { address: service('web'), port: 80 });
        const gateway = family === 'ipv4' ? '10.1.1.1' : 'fd00:10:1::1';
        t.match(seen, { server: 'web-0', source: gateway, destination: address('web-0') });
      },
    );

    await t.test(`outside, a pod is seen under its node's address over ${family}`, async (t) => {
      const seen = await seenBy('worker-0', { address: address('partner'), port: 443 });
      const node = family === 'ipv4' ? '192.168.2.2' : 'fd00:192:2::2';
      t.match(seen, { server: 'partner', source: node });
    });

    await t.test(
      `a NodePort hides a client from outside, a Local one does not, over ${family}`,
      async (t) => {
        const hidden = await seenBy('stranger', { address: address('monitor-0'), port: 30080 });
        t.not(hidden?.source, address('stranger'));
        const shown = await seenBy('stranger', { address: address('monitor-0'), port: 30081 });
        t.match(shown, { server: 'web-0', source: address('stranger') });
      },
    );
  }

  await t.test('a tuple is opened again from the same port right after it was closed', async () => {
    const peer = { address: place('db-0').addresses.ipv4, port: 5432, sourcePort: 19_500 };
    for (let time = 0; time < 3; time++)
      await traffic.close(await traffic.open('api-0', peer), 'orderly by server');
  });

  await t.test('a round writes down everything it did', async (t) => {
    traffic.forget();
    await scenario.round();
    const truth = traffic.truth();
    const total = (of: (each: (typeof truth)[number]) => number) =>
      truth.reduce((sum, each) => sum + of(each), 0);
    const tcp = truth.filter(({ transport }) => transport === 'tcp');
    t.equal(
      total(({ ended }) => ended.unanswered),
      2,
    );
    t.equal(
      total(({ ended }) => ended.half),
      2,
    );
    t.equal(
      total(({ ended }) => ended['half by server']),
      2,
    );
    t.equal(
      total(({ ended }) => ended.reset),
      4,
    );
    t.equal(
      total(({ transport, opened }) => (transport === 'udp' ? opened : 0)),
      8,
    );
    // Those that leak, and the tuple that the next round closes.
    t.same(
      new Set(tcp.filter((each) => openNow(each) > 0).map(({ client }) => client)),
      new Set(['cart-0', 'worker-0', 'api-0']),
    );
  });
});

t.test('the inventory file names everybody but the stranger and hostNetwork pods', (t) => {
  const { addresses, cidrs } = JSON.parse(inventoryFile());
  t.match(addresses[place('web-0').addresses.ipv6], { type: 'pod', name: 'web-0', node: 'node-a' });
  t.match(addresses[place('monitor-0').addresses.ipv4], { type: 'node', name: 'node-a' });
  t.notOk(place('stranger').addresses.ipv4 in addresses);
  t.match(cidrs['198.51.100.0/24'], { type: 'network', name: 'partner' });
  t.end();
});
