/**
 * A table in which crowds of clients come and go, in a network namespace made for it: khan itself never
 * writes to a table. Run: `node test/bench/crowd-table.ts NETNS JSON`.
 */
import { runCommand } from '../../src/demo/command.ts';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';
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
import { writeToTable, type Header } from './write-table.ts';

/** Connections of clients, each with an address of its own, with one server. */
export interface Crowd {
  readonly clients: number;
  /** Those of another number are strangers. */
  readonly firstClient: number;
  /** Of each client. */
  readonly connections: number;
}

const NLM_F_REQUEST = 0x01;
const NLM_F_CREATE = 0x400;
const CREATE: Header = { type: CT_NEW, flags: NLM_F_REQUEST | NLM_F_CREATE };
const DELETE: Header = { type: CT_DELETE, flags: NLM_F_REQUEST };
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
  const bytes = message(CREATE.type, { sequence: 0, portId: 0, flags: CREATE.flags }, payload);
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

if (import.meta.main) {
  const [netns = '', crowd = '{}'] = process.argv.slice(2);
  enterNetworkNamespace(netns);
  // Without a tuple it means all of this namespace, as `conntrack -F` does.
  const all = message(DELETE.type, { sequence: 0, portId: 0, flags: DELETE.flags }, generic(0));
  writeToTable([all], DELETE);
  writeToTable(entriesOf(JSON.parse(crowd)), CREATE);
}
