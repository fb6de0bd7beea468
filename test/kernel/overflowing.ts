/**
 * Follows events with a socket that has room for some fifty, and takes a snapshot at each line of stdin:
 * prints what it says, as JSON. Run: `node test/kernel/overflowing.ts NETNS`.
 */
import { createInterface } from 'node:readline';
import { EventFollower } from '../../src/agent/event-follower.ts';
import { takeSnapshot } from '../../src/agent/take-snapshot.ts';
import { Tally } from '../../src/connections/tally.ts';
import { NFNLGRP_CONNTRACK_DESTROY } from '../../src/conntrack/constants.ts';
import { Durations } from '../../src/conntrack/duration.ts';
import { ConntrackEvents } from '../../src/conntrack/events.ts';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { readTimeouts } from '../../src/conntrack/timeouts.ts';
import { NETLINK_NETFILTER } from '../../src/netlink/constants.ts';
import { enterNetworkNamespace, NetlinkListener } from '../../src/netlink/socket.ts';

const BUFFER_BYTES = 32 * 1024;

enterNetworkNamespace(process.argv[2] ?? '');
const tally = new Tally({ seed: 1, followsEvents: true });
const inputs = {
  table: new ConntrackTable(),
  tally,
  events: new EventFollower({
    open: () => new ConntrackEvents(openListener),
    addEnding: (entry) => tally.addEnding(entry),
    durations: new Durations(),
    areEventsOff: () => false,
    now: () => performance.now(),
  }),
  hashBuckets: () => 0,
  timeouts: readTimeouts,
  localAddresses: () => [],
  now: Date.now,
};
const sum = (column: Uint32Array) => column.reduce((total, value) => total + value, 0);

for await (const _ of createInterface(process.stdin)) {
  const { entries, edges, events } = takeSnapshot(inputs);
  const [opened, closed] = [sum(edges.opened), sum(edges.closed)];
  process.stdout.write(`${JSON.stringify({ entries, opened, closed, events })}\n`);
}

function openListener(): NetlinkListener {
  return new NetlinkListener({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_CONNTRACK_DESTROY],
    bufferBytes: BUFFER_BYTES,
  });
}
