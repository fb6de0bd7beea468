import { readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runCommand } from '../../src/demo/command.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { skip } from './skip.ts';

const SNAPSHOT_ONCE = fileURLToPath(new URL('./snapshot-once.ts', import.meta.url));
const FILL_TABLE = fileURLToPath(new URL('../bench/fill-table.ts', import.meta.url));
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

async function snapshotOnce(netns: string[], as: readonly string[] = []): Promise<object> {
  const printed = await runCommand([...as, process.execPath, SNAPSHOT_ONCE, ...netns]);
  const result: object = JSON.parse(printed);
  return result;
}

t.test(
  'only the thread that takes snapshots is in the other network namespace',
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('abroad');
    await namespace.ip(['address add 10.9.8.7/32 dev lo', 'address add fd00:9::7/128 dev lo']);
    await runCommand(
      [process.execPath, FILL_TABLE, '--netns', namespace.path].concat([
        '--entries',
        '12',
        '--edges',
        '5',
      ]),
    );
    const home = readlinkSync('/proc/self/ns/net');
    t.match(await snapshotOnce([namespace.path]), {
      entries: 12,
      tableEntries: 12,
      home,
      pool: [home],
      abroad: [readlinkSync(namespace.path)],
    });
  },
);

t.test('the local addresses are those of the other network namespace', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('abroad');
  await namespace.ip(['address add 10.9.8.7/32 dev lo', 'address add fd00:9::7/128 dev lo']);
  t.strictSame(Object(await snapshotOnce([namespace.path])).localAddresses.toSorted(), [
    '10.9.8.7',
    '127.0.0.1',
    '::1',
    'fd00:9::7',
  ]);
});

t.test('a network namespace that is not there is a failure that says so', { skip }, async (t) => {
  t.strictSame(await snapshotOnce(['/run/netns/nowhere']), {
    failure: 'Cannot open the network namespace /run/netns/nowhere: ENOENT. Is --netns right?',
    exitCode: 1,
  });
});

t.test('a file that is no network namespace is a failure that says so', { skip }, async (t) => {
  t.strictSame(await snapshotOnce(['/dev/null']), {
    failure: 'Cannot enter the network namespace /dev/null: EINVAL. Is --netns right?',
    exitCode: 1,
  });
});

t.test(
  'without CAP_NET_ADMIN the failure names it and how to grant it, with exit code 77',
  { skip },
  async (t) => {
    t.match(await snapshotOnce([], AS_NOBODY), {
      failure:
        /^Cannot read the connection tracking table: EPERM\. This process lacks CAP_NET_ADMIN\..*NET_ADMIN/,
      exitCode: 77,
    });
  },
);

t.test('so it is where events are followed', { skip }, async (t) => {
  t.match(await snapshotOnce(['', 'events'], AS_NOBODY), {
    failure: /^Cannot join a netlink multicast group: EPERM\. This process lacks CAP_NET_ADMIN\./,
    exitCode: 77,
  });
});

t.test('CAP_NET_ADMIN is enough, also for events', { skip }, async (t) => {
  await using namespace = await NetworkNamespace.create('own');
  const capable = ['--inh-caps=+net_admin', '--ambient-caps=+net_admin'];
  for (const events of [[], ['', 'events']]) {
    const result = await snapshotOnce(events, namespace.enter([...AS_NOBODY, ...capable]));
    t.match(result, { entries: 0, abroad: [] });
  }
});

t.test(
  'without CAP_SYS_ADMIN another network namespace is a failure that names it',
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('closed');
    t.match(await snapshotOnce([namespace.path], AS_NOBODY), {
      failure: /^Cannot open the network namespace .*: EACCES\. This process lacks CAP_SYS_ADMIN/,
      exitCode: 77,
    });
  },
);
