/** What the kernel says of connections that go. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { NetworkNamespace } from '../../src/demo/namespace.ts';
import { TCP, UDP } from '../builders/flow.ts';
import type { Heard } from './listen.ts';
import type { Shortly } from './short-connections.ts';
import { skip } from './skip.ts';
import { createTracked, make } from './tracked.ts';

const LISTEN = fileURLToPath(new URL('./listen.ts', import.meta.url));
const COUNT = 20;
const EVENTS = 'net/netfilter/nf_conntrack_events';
/** enum tcp_conntrack */
const [SYN_SENT, TIME_WAIT, CLOSE] = [1, 7, 8];

interface Report {
  readonly malformed: number;
  readonly overflowed: boolean;
  readonly heard: readonly Heard[];
}

async function listen({ path }: NetworkNamespace): Promise<() => Promise<Report>> {
  const listener = spawn(process.execPath, [LISTEN, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(listener.stdout, 'data');
  return async () => {
    listener.stdin.end();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- listen.ts writes it
    return (await json(listener.stdout)) as Report;
  };
}

const wishes = (['127.0.0.1', '::1'] as const).flatMap((address): Shortly[] => {
  const between = { source: address, destination: address, count: COUNT };
  return [
    { how: 'refused', port: 5001, ...between },
    { how: 'reset', port: 5002, ...between },
    { how: 'orderly', port: 5003, ...between },
    { how: 'udp', port: 5004, ...between },
  ];
});

t.test(
  'each connection is told once when it goes, however short it was',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await createTracked();
    const end = await listen(namespace);
    await make(namespace, wishes);
    const { malformed, overflowed, heard } = await end();
    t.strictSame({ malformed, overflowed }, { malformed: 0, overflowed: false });

    for (const { destination, port, how } of wishes) {
      const its = heard.filter((one) => one.destination === destination && one.port === port);
      t.equal(its.length, COUNT, `${how} ${destination}: all of them`);
      t.equal(new Set(its.map(({ identity }) => identity)).size, COUNT, 'none twice');
      const protocol = how === 'udp' ? UDP : TCP;
      t.ok(its.every((one) => one.protocol === protocol));
      const last = {
        refused: [SYN_SENT, CLOSE],
        reset: [CLOSE],
        orderly: [TIME_WAIT],
        udp: [0xff],
      };
      t.ok(
        its.every(({ state }) => last[how].includes(state)),
        `${how} ${destination}: the state is the last one`,
      );
    }
  },
);

t.test(
  'of an entry that was made while the kernel told nobody, nothing is told later',
  { skip, timeout: 60_000 },
  async (t) => {
    await using namespace = await createTracked();
    const before = { source: '127.0.0.1', destination: '127.0.0.1', port: 5002, count: COUNT };
    await namespace.sysctl({ [EVENTS]: '0' });
    await make(namespace, [{ how: 'reset', ...before }]);
    await namespace.sysctl({ [EVENTS]: '2' });
    const end = await listen(namespace);
    await make(namespace, [{ how: 'reset', ...before, port: 5003 }]);
    const { heard } = await end();
    const ends = heard.map(({ port }) => port);
    t.strictSame(ends, Array(COUNT).fill(5003));
  },
);

t.test(
  'it is heard in a user namespace as well, where the kernel grants less room',
  { skip, timeout: 60_000 },
  async (t) => {
    const argv = [
      '--user',
      '--map-root-user',
      '--net',
      process.execPath,
      LISTEN,
      '/proc/self/ns/net',
    ];
    const listener = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(listener.stdout, 'data');
    listener.stdin.end();
    t.strictSame(await json(listener.stdout), { malformed: 0, overflowed: false, heard: [] });
  },
);
