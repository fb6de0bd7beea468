import { parentPort, workerData } from 'node:worker_threads';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';

/**
 * The floor: a thread that dumps the table and throws every message away. Answers each message with
 * the milliseconds that the dump took.
 */
const netns: string = workerData;
enterNetworkNamespace(netns);
const table = new ConntrackTable();
const discard = () => true;

parentPort?.on('message', () => {
  const began = performance.now();
  table.dump(discard);
  parentPort?.postMessage(performance.now() - began);
});
