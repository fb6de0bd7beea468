/**
 * Fills the connection tracking table of a network namespace made for it: khan itself never writes
 * to a table. Run: `node test/bench/fill-table.ts --netns PATH --entries N --edges M`.
 */
import { parseArgs } from 'node:util';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { canonicalAddress } from '../../src/net/address.ts';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';
import {
  be32,
  CT_DELETE,
  CT_NEW,
  CTA_STATUS,
  CTA_TIMEOUT,
  entryPayload,
  message,
  originalTuple,
  protocolInfo,
  replyTuple,
} from '../builders/ctnetlink.ts';
import {
  ESTABLISHED,
  flow,
  flow6,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_SEEN_REPLY,
  SYN_SENT,
  TCP,
  TIME_WAIT,
  UDP,
  type Flow,
} from '../builders/flow.ts';
import { writeToTable, type Header } from './write-table.ts';

export interface Filling {
  readonly entries: number;
  /** Entry i belongs to edge i % edges. */
  readonly edges: number;
  /** 0 to 1: which part of the edges is between IPv6 addresses. */
  readonly ipv6Share: number;
}

const NLM_F_REQUEST = 0x01;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const CREATE: Header = { type: CT_NEW, flags: NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL };
const DELETE: Header = { type: CT_DELETE, flags: NLM_F_REQUEST };
/** One of so many entries is replaced at a time. */
const REPLACED_PART = 5;

const TIMEOUT_SECONDS = 86_400;
const FIRST_PORT = 1024;
const PORTS = 0x1_0000 - FIRST_PORT;

/**
 * Writes into the table of the calling thread's network namespace, and returns how many entries the
 * kernel says it has then. Throws a NetlinkError at the first entry that the kernel refuses.
 */
export function fillTable(filling: Filling): number {
  writeToTable(messagesOf(filling, CREATE), CREATE);
  using table = new ConntrackTable();
  return table.use().entries;
}

/**
 * Deletes a fifth of the entries that {@link fillTable} has written, and writes as many of the same
 * edges with other client ports. `turn` counts the calls, from 0.
 */
export function replaceFifth(filling: Filling, turn: number): void {
  const generation = Math.floor(turn / REPLACED_PART);
  const inGeneration = (g: number): Choice => ({
    picks: (edge, nth) => (edge + nth) % REPLACED_PART === turn % REPLACED_PART,
    shift: (count) => g * count,
  });
  writeToTable(messagesOf(filling, DELETE, inGeneration(generation)), DELETE);
  writeToTable(messagesOf(filling, CREATE, inGeneration(generation + 1)), CREATE);
}

/** What is written, in no particular order. */
export function* flowsOf(filling: Filling): Generator<Flow> {
  for (let edge = 0; edge < Math.min(filling.edges, filling.entries); edge++) {
    for (let nth = 0; nth < connectionsOf(edge, filling); nth++) yield flowOf(edge, nth, filling);
  }
}

/** Some of the connections, and how many others of the edge had their client ports before them. */
interface Choice {
  readonly picks: (edge: number, nth: number) => boolean;
  readonly shift: (connections: number) => number;
}

const ALL: Choice = { picks: () => true, shift: () => 0 };

/** The messages of flowsOf(). One array is used again for the connections of an edge. */
function* messagesOf(
  filling: Filling,
  header: Header,
  { picks, shift }: Choice = ALL,
): Generator<Uint8Array> {
  for (let edge = 0; edge < Math.min(filling.edges, filling.entries); edge++) {
    const one = flowOf(edge, 0, filling);
    const tuples: Tuples = [originalTuple(one), replyTuple(one)];
    // Connections of one edge and state differ in nothing but the client's port.
    const templates = new Map<string, Template>();
    const count = connectionsOf(edge, filling);
    for (let base = 0; base < count; base++) {
      if (!picks(edge, base)) continue;
      const nth = base + shift(count);
      const { state, status } = statusOf(edge, nth);
      let template = templates.get(`${state} ${status}`);
      if (template === undefined) {
        template = templateOf({ ...one, state, status }, tuples, header);
        templates.set(`${state} ${status}`, template);
      }
      const { bytes, clientPortsAt } = template;
      for (const at of clientPortsAt) {
        bytes[at] = clientPort(nth) >>> 8;
        bytes[at + 1] = clientPort(nth);
      }
      yield bytes;
    }
  }
}

type Tuples = readonly [original: Uint8Array, reply: Uint8Array];

interface Template {
  readonly bytes: Uint8Array;
  /** Where the source port of the original and the destination port of the reply tuple stand. */
  readonly clientPortsAt: readonly number[];
}

function templateOf(one: Flow, [original, reply]: Tuples, { type, flags }: Header): Template {
  const said = [
    reply,
    be32(CTA_STATUS, one.status),
    be32(CTA_TIMEOUT, TIMEOUT_SECONDS),
    ...(one.state === undefined ? [] : [protocolInfo(one.protocol, one.state)]),
  ];
  const payload = entryPayload(one, type === CT_NEW ? [original, ...said] : [original]);
  const bytes = message(type, { sequence: 0, portId: 0, flags }, payload);
  // A tuple ends with its two ports, 8 bytes each, of which the value begins at the fifth.
  const behindOriginal = bytes.length - payload.length + 4 + original.length;
  const inReply = behindOriginal + reply.length - 4;
  return { bytes, clientPortsAt: [behindOriginal - 12, ...(type === CT_NEW ? [inReply] : [])] };
}

function connectionsOf(edge: number, { entries, edges }: Filling): number {
  return Math.floor(entries / edges) + (edge < entries % edges ? 1 : 0);
}

function clientPort(nth: number): number {
  if (nth >= PORTS) throw new RangeError(`Cannot fill the table: an edge has ${PORTS} ports`);
  return FIRST_PORT + nth;
}

function flowOf(edge: number, nth: number, { ipv6Share }: Filling): Flow {
  const isIPv6 = ((edge * 37) % 100) / 100 < ipv6Share;
  const address = (network: number, host: number) =>
    isIPv6
      ? canonicalAddress(
          `fd00:${network}::${(host >>> 16).toString(16)}:${(host & 0xffff).toString(16)}`,
        )!
      : `10.${network + (host >>> 16)}.${(host >>> 8) & 0xff}.${host & 0xff}`;
  const source = address(100, edge);
  const isTranslated = edge % 5 < 3;
  const { protocol, state, status } = statusOf(edge, nth);
  const destinationPort = protocol === UDP ? 53 : 80 + (edge % 7);
  return (isIPv6 ? flow6 : flow)({
    protocol,
    source,
    destination: address(96, 1 + (edge % 61)),
    sourcePort: clientPort(nth),
    destinationPort,
    backend: isTranslated ? address(20, 1 + (edge % 241)) : address(96, 1 + (edge % 61)),
    backendPort: isTranslated ? 8080 + (edge % 3) : destinationPort,
    state,
    status,
  });
}

/** Four of five edges are TCP: six of ten connections established, three in TIME_WAIT, one SYN_SENT. */
function statusOf(edge: number, nth: number): Pick<Flow, 'protocol' | 'state' | 'status'> {
  const turn = (edge + nth) % 10;
  const isAnswered = turn < 9;
  const answered = isAnswered ? IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED : IPS_CONFIRMED;
  if (edge % 5 === 4) return { protocol: UDP, state: undefined, status: answered };
  const state = turn < 6 ? ESTABLISHED : isAnswered ? TIME_WAIT : SYN_SENT;
  return { protocol: TCP, state, status: answered };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      netns: { type: 'string' },
      entries: { type: 'string', default: '100000' },
      edges: { type: 'string', default: '10000' },
      'ipv6-share': { type: 'string', default: '0.15' },
    },
  });
  if (values.netns === undefined) throw new Error('Cannot fill a table: no --netns PATH');
  enterNetworkNamespace(values.netns);
  const entries = fillTable({
    entries: Number(values.entries),
    edges: Number(values.edges),
    ipv6Share: Number(values['ipv6-share']),
  });
  process.stdout.write(`${entries} entries\n`);
}
