import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { STATISTICS } from '../../src/conntrack/statistics.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { skip } from './skip.ts';

const SEND_RAW = join(import.meta.dirname, 'send-raw.ts');
const PACKETS = 3;

/** Some rule has to ask for tracking, or the kernel does none. */
const TRACKING =
  'table inet tracking { chain input { type filter hook input priority 0; ct state new counter; }; }';

t.test(
  "the kernel's statistics of a table are counted from the first snapshot on",
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('statistics');
    await namespace.nft(TRACKING);
    const sendMalformed = async () =>
      namespace.run([process.execPath, SEND_RAW, '127.0.0.1', 'malformed']);
    await sendMalformed();
    await using source = new SnapshotSource({ netns: namespace.path });
    const none = Object.fromEntries(Object.keys(STATISTICS).map((name) => [name, 0]));
    t.same((await source.take()).statistics, none, 'what was before does not count');
    for (let packet = 0; packet < PACKETS; packet++) await sendMalformed();
    const { invalid = 0, ...others } = (await source.take()).statistics ?? {};
    t.equal(invalid, 2 * PACKETS, 'each on its way out and on its way in');
    const { invalid: _, ...noOthers } = none;
    t.same(others, noOthers);

    const { error, stdout } = spawnSync('nsenter', [`--net=${namespace.path}`, 'conntrack', '-S'], {
      encoding: 'utf8',
    });
    if (error !== undefined || stdout === '') {
      t.pass('THE KERNEL WAS NOT ASKED A SECOND TIME: conntrack(8) is missing');
      return;
    }
    const told = [...stdout.matchAll(/\binvalid=(?<count>\d+)/g)].map(({ groups }) =>
      Number(groups?.['count']),
    );
    const all = told.reduce((sum, count) => sum + count, 0);
    t.equal(all, 2 * (PACKETS + 1), 'conntrack -S says the same, and what was before');
  },
);
