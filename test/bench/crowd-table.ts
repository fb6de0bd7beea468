/**
 * A table in which crowds of clients come and go, in a network namespace made for it: khan itself never
 * writes to a table. Run: `node test/bench/crowd-table.ts NETNS JSON`.
 */
import { runCommand } from '../../src/demo/command.ts';
import { NETLINK_NETFILTER } from '../../src/netlink/constants.ts';
import { exchange } from '../../src/netlink/exchange.ts';
import { enterNetworkNamespace, NetlinkSocket } from '../../src/netlink/socket.ts';
import {
  be32,
  CT_DELETE,
  CT_NEW,
  CTA_STATUS,
  CTA_TIMEOUT,
  entryPayload,
  generic,
  message,
  originalTuple,
  protocolInfo,
  replyTuple,
} from '../builders/ctnetlink.ts';
import { flow, flow6, type Flow } from '../builders/flow.ts';

/** Connections of clients, each with an address of its own, with one server. */
export interface Crowd {
  readonly clients: number;
  /** Those of another number are strangers. */
  readonly firstClient: number;
  /** Of each client. */
  readonly connections: number;
}

const NLM_F_REQUEST = 0x01;
const NLM_F_ACK = 0x04;
const NLM_F_CREATE = 0x400;
/** A send() may be as long as net.core.wmem_default, which is 208 KiB, less the kernel's own share. */
const BATCH_BYTES = 192 * 1024;
const TIMEOUT_MS = 10_000;
const TIMEOUT_SECONDS = 86_400;
const FIRST_PORT = 1024;
/** 10.100.0.0, of the first client; an IPv6 address ends with the same bytes. */
const FIRST_CLIENT = 0x0a64_0000;
/** Of so many clients one speaks IPv6. */
const FAMILY_TURNS = 4;

/** This crowd in the place of all that is in the table of a namespace. */
export async function replaceTable(netns: string, crowd: Crowd): Promise<void> {
  await runCommand([process.execPath, import.meta.filename, netns, JSON.stringify(crowd)]);
}

/** IPCTNL_MSG_CT_NEW messages. One array is used again for all of a family. */
export function* entriesOf({ clients, firstClient, connections }: Crowd): Generator<Uint8Array> {
  const ipv4 = templateOf(flow({ destination: '10.96.0.1', destinationPort: 443 }));
  const ipv6 = templateOf(flow6({ destination: 'fd00:96::1', destinationPort: 443 }));
  for (let client = firstClient; client < firstClient + clients; client++) {
    const { bytes, view, clientsAt, portsAt } = client % FAMILY_TURNS === 0 ? ipv6 : ipv4;
    for (const at of clientsAt) view.setUint32(at, FIRST_CLIENT + client);
    for (let nth = 0; nth < connections; nth++) {
      for (const at of portsAt) view.setUint16(at, FIRST_PORT + nth);
      yield bytes;
    }
  }
}

/** Where the last four bytes of the client's address and its port stand: in both tuples. */
interface Template {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly clientsAt: readonly [number, number];
  readonly portsAt: readonly [number, number];
}

function templateOf(one: Flow): Template {
  const original = originalTuple(one);
  const reply = replyTuple(one);
  const payload = entryPayload(one, [
    original,
    reply,
    be32(CTA_STATUS, one.status),
    be32(CTA_TIMEOUT, TIMEOUT_SECONDS),
    protocolInfo(one.protocol, one.state ?? 0),
  ]);
  const flags = NLM_F_REQUEST | NLM_F_CREATE;
  const bytes = message(CT_NEW, { sequence: 0, portId: 0, flags }, payload);
  const originalAt = bytes.length - payload.length + generic(0).length;
  const replyAt = originalAt + original.length;
  // Two nested attributes begin before the addresses; an address has a header of its own.
  const addressBytes = one.source.includes(':') ? 16 : 4;
  const firstEnds = 4 + 4 + 4 + addressBytes;
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset),
    clientsAt: [originalAt + firstEnds - 4, replyAt + firstEnds + 4 + addressBytes - 4],
    // A tuple ends with its two ports, 8 bytes each, of which the value begins at the fifth.
    portsAt: [replyAt - 12, replyAt + reply.length - 4],
  };
}

function write(messages: Iterable<Uint8Array>): void {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  const batch = new Uint8Array(BATCH_BYTES);
  const view = new DataView(batch.buffer);
  let bytes = 0;
  let last = 0;
  let sequence = 1;
  const flush = () => {
    if (bytes === 0) return;
    // Only the last message asks for an acknowledgement; a refused one answers anyway.
    view.setUint16(last + 6, view.getUint16(last + 6, true) | NLM_F_ACK, true);
    exchange({
      operation: 'write to the connection tracking table',
      transport: socket,
      request: batch.subarray(0, bytes),
      sequence: sequence++,
      answerType: CT_NEW,
      visit: () => true,
      timeoutMs: TIMEOUT_MS,
    });
    bytes = 0;
  };
  for (const one of messages) {
    if (bytes + one.length > BATCH_BYTES) flush();
    batch.set(one, bytes);
    view.setUint32(bytes + 8, sequence, true);
    last = bytes;
    bytes += one.length;
  }
  flush();
}

if (import.meta.main) {
  const [netns = '', crowd = '{}'] = process.argv.slice(2);
  enterNetworkNamespace(netns);
  // Without a tuple it means all of this namespace, as `conntrack -F` does.
  write([message(CT_DELETE, { sequence: 0, portId: 0, flags: NLM_F_REQUEST }, generic(0))]);
  write(entriesOf(JSON.parse(crowd)));
}
