/**
 * Hears the events of a network namespace: says `ready`, and when stdin has ended and the table is empty
 * what it has heard, as JSON. Run: `node test/kernel/listen.ts NETNS`.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { ENTRY } from '../../src/conntrack/entry.ts';
import { ConntrackEvents } from '../../src/conntrack/events.ts';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';
import { formatAddress } from '../../src/net/address.ts';

/** An entry that has left; the identity is what tells it from all others. */
export interface Heard {
  readonly destination: string;
  readonly port: number;
  readonly protocol: number;
  readonly state: number;
  readonly identity: string;
}

if (import.meta.main) {
  enterNetworkNamespace(process.argv[2] ?? '');
  const events = new ConntrackEvents();
  process.stdout.write('ready\n');
  await once(process.stdin.resume(), 'end');
  // A dump also removes what has expired, for which the kernel may take minutes.
  const table = new ConntrackTable();
  while (entriesOf(table) > 0) await delay(100);
  const heard: Heard[] = [];
  const { malformed, overflowed } = events.drain((entry) => heard.push(read(entry)), {
    datagramsMax: Infinity,
  });
  process.stdout.write(JSON.stringify({ malformed, overflowed, heard }));
}

function entriesOf(table: ConntrackTable): number {
  let entries = 0;
  table.dump(() => ++entries > 0);
  return entries;
}

function read(entry: Uint32Array): Heard {
  const isIpv4 = entry[ENTRY.family] === 2;
  const discriminator = entry[ENTRY.discriminator]!;
  const at = (ENTRY.destination + entry.byteOffset / 4) * 4;
  return {
    destination: formatAddress(new Uint8Array(entry.buffer, at, isIpv4 ? 4 : 16)),
    port: discriminator & 0xffff,
    protocol: entry[ENTRY.protocol]!,
    state: entry[ENTRY.state]!,
    identity: `${entry[ENTRY.id]} ${discriminator} ${entry[ENTRY.source]} ${entry[ENTRY.zone]}`,
  };
}
