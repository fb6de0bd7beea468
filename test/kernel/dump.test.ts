import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { EdgeReader, edgeText } from '../builders/edge-reader.ts';
import { ESTABLISHED, TCP, TIME_WAIT } from '../builders/flow.ts';
import type { Opening } from './open-connections.ts';
import { skip } from './skip.ts';

const OPEN_CONNECTIONS = fileURLToPath(new URL('./open-connections.ts', import.meta.url));

/** Services by DNAT, one of them for a client whose address is changed on its way. */
const RULES = `
table inet services {
  chain output {
    type nat hook output priority -100
    ip daddr 10.96.0.10 tcp dport 80 dnat ip to 10.0.0.2:8080
    ip6 daddr fd00:96::10 tcp dport 80 dnat ip6 to [fd00::2]:8080
  }
  chain postrouting {
    type nat hook postrouting priority 100
    ip saddr 10.0.0.9 snat ip to 10.0.0.3
  }
}`;

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.9', '10.96.0.10'];
const ADDRESSES6 = ['fd00::1', 'fd00::2', 'fd00:96::10'];

const openings: readonly Opening[] = [
  { localAddress: '10.0.0.1', host: '10.0.0.2', port: 8080, count: 5 },
  { localAddress: '10.0.0.1', host: '10.96.0.10', port: 80, count: 40 },
  { localAddress: '10.0.0.9', host: '10.96.0.10', port: 80, count: 7 },
  { localAddress: 'fd00::1', host: 'fd00:96::10', port: 80, count: 11 },
];

/** What they are in khan's words: the backend is known from the reply. */
const edges = openings.map(({ localAddress, host, port, count }) => {
  const backend = localAddress.includes(':') ? 'fd00::2' : '10.0.0.2';
  const name = edgeText({
    protocol: TCP,
    source: localAddress,
    destination: host,
    port,
    backend,
    backendPort: 8080,
    sourceTranslated: localAddress === '10.0.0.9',
  });
  return { name, count };
});

t.test(
  'real connections are counted by edge, translation and state',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await NetworkNamespace.create('real');
    await namespace.ip([
      ...ADDRESSES.map((address) => `address add ${address}/32 dev lo`),
      ...ADDRESSES6.map((address) => `address add ${address}/128 dev lo nodad`),
    ]);
    await namespace.nft(RULES);
    await using source = new SnapshotSource({ netns: namespace.path });
    const reader = new EdgeReader();
    t.strictSame(reader.read((await source.take()).edges), new Map());

    const [program = '', ...argv] = namespace.enter([
      process.execPath,
      OPEN_CONNECTIONS,
      JSON.stringify(openings),
    ]);
    const opener = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => opener.kill());
    await once(opener.stdout, 'data');
    t.strictSame(
      reader.read((await source.take()).edges),
      new Map(
        edges.map(({ name, count }) => [
          name,
          { opened: count, closed: 0, active: { [ESTABLISHED]: count } },
        ]),
      ),
    );

    opener.stdin.write('end\n');
    await once(opener.stdout, 'data');
    t.strictSame(
      reader.read((await source.take()).edges),
      new Map(
        edges.map(({ name, count }) => [
          name,
          { opened: 0, closed: 0, active: { [TIME_WAIT]: count } },
        ]),
      ),
    );
  },
);
