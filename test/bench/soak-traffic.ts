/**
 * Real connections of pods that come and go, in a network namespace, for as long as it is told; it
 * knows how many it made. Run by soak.ts: `node test/bench/soak-traffic.ts --netns PATH --inventory PATH`.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { enterNetworkNamespace } from '../../src/netlink/socket.ts';
import {
  backendAddresses,
  FAMILIES,
  LEAK_PORT,
  LEAKING_APP,
  podOf,
  POOLING_APP,
  serviceAddresses,
  SERVICES,
  writeInventory,
  type Family,
  type Pod,
} from './soak-pods.ts';

export interface Made {
  /** Each is one entry of the table, once. */
  readonly opened: number;
  /** Of these, still open. */
  readonly open: number;
  /** Could not be made: there may or may not be an entry. */
  readonly failed: number;
  readonly pods: number;
  /** Names of the pods that have leaked for long enough to be told of. */
  readonly leaking: readonly string[];
  /** Pods that have had a pool for as long. */
  readonly pooling: number;
}

const PODS = 400;
/** A pod lives for 13 minutes: to find a leak that goes on takes eight. */
const PODS_REPLACED_PER_MINUTE = 30;
const JUDGED_MS = 10 * 60_000;
const INVENTORY_MS = 15_000;
/** TIME_WAIT is 120 s and a UDP exchange is remembered for 30 s: with these the table has 50,000. */
const TCP_PER_SECOND = 340;
const UDP_PER_SECOND = 150;
const REFUSED_PER_SECOND = 20;
const TICK_MS = 50;
/** Connections that stay until their pod ends: at once, and then one each. */
const KEPT_AT_ONCE = 5;
const KEEP_MS = 60_000;
const LEAK_MS = 5_000;
const POOL = 20;
/** Services that a pod talks to. */
const PEERS = 4;
const TCP_PORT = 8080;
const UDP_PORT = 5353;
const REFUSED_PORT = 9;
/** No tuple comes back while its entry may be there: an address gives its ports out in turn. */
const FIRST_PORT = 20_000;
const PORTS = 40_000;
const UNDER_WAY_MAX = 2_000;

interface Living {
  readonly pod: Pod;
  readonly nth: number;
  readonly kept: Set<Socket>;
  readonly timer: NodeJS.Timeout;
  readonly bornMs: number;
}

const living: Living[] = [];
const nextPort = new Map<string, number>();
let pods = 0;
let opened = 0;
let failed = 0;
let open = 0;
const underWay = new Set<Promise<void>>();
let turn = 0;
const leaking: string[] = [];
let pooling = 0;

function portOf(address: string): number {
  const nth = nextPort.get(address) ?? 0;
  nextPort.set(address, (nth + 1) % PORTS);
  return FIRST_PORT + nth;
}

/** Whom the pod talks to next, over both families in turn; who leaks or has a pool, at one place. */
function peerOf({ nth, pod }: Living): { readonly family: Family; readonly service: number } {
  turn++;
  if (pod.app === LEAKING_APP || pod.app === POOLING_APP)
    return { family: 'ipv4', service: nth % SERVICES };
  return {
    family: FAMILIES[turn % FAMILIES.length]!,
    service: (nth + 3 * ((turn >>> 1) % PEERS)) % SERVICES,
  };
}

async function connected(from: Living, port: number): Promise<Socket> {
  const { family, service } = peerOf(from);
  const localAddress = from.pod.addresses[family];
  const socket = connect({
    host: serviceAddresses(service)[family],
    port,
    localAddress,
    localPort: portOf(localAddress),
  });
  await once(socket, 'connect');
  opened++;
  open++;
  socket.on('error', () => {}).once('close', () => open--);
  return socket;
}

async function exchangeTcp(from: Living): Promise<void> {
  const socket = await connected(from, TCP_PORT);
  socket.end('question').resume();
  await once(socket, 'close');
}

async function beRefused(from: Living): Promise<void> {
  const refusal = await connected(from, REFUSED_PORT).catch((error: unknown) => error);
  if (refusal instanceof Error && 'code' in refusal && refusal.code === 'ECONNREFUSED') opened++;
  else throw refusal;
}

async function exchangeUdp(from: Living): Promise<void> {
  const { family, service } = peerOf(from);
  const address = from.pod.addresses[family];
  const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
  socket.bind(portOf(address), address);
  try {
    await once(socket, 'listening');
    socket.send('question', UDP_PORT, serviceAddresses(service)[family]);
    await once(socket, 'message');
    opened++;
  } finally {
    socket.close();
  }
}

async function keep(from: Living): Promise<void> {
  const socket = await connected(from, from.pod.app === LEAKING_APP ? LEAK_PORT : TCP_PORT);
  socket.resume();
  if (!living.includes(from)) {
    socket.end();
    return;
  }
  from.kept.add(socket.once('close', () => from.kept.delete(socket)));
}

function attempt(
  make: (from: Living) => Promise<void>,
  from = living[turn % living.length]!,
): void {
  if (underWay.size >= UNDER_WAY_MAX) return;
  const attempted = make(from)
    .catch(() => failed++)
    .then(() => void underWay.delete(attempted));
  underWay.add(attempted);
}

function bear(): void {
  const nth = pods++;
  const pod = podOf(nth);
  const timer = setInterval(() => keepOneMore(one), pod.app === LEAKING_APP ? LEAK_MS : KEEP_MS);
  const one: Living = { pod, nth, kept: new Set(), timer, bornMs: performance.now() };
  living.push(one);
  const atOnce = pod.app === POOLING_APP ? POOL : KEPT_AT_ONCE;
  for (let at = 0; at < atOnce; at++) attempt(keep, one);
}

/** In a pool it takes the place of the oldest. */
function keepOneMore(one: Living): void {
  if (one.pod.app === POOLING_APP) [...one.kept][0]?.end();
  attempt(keep, one);
}

/** It keeps no more. */
function end(one: Living): Living {
  clearInterval(one.timer);
  const isLong = performance.now() - one.bornMs >= JUDGED_MS;
  if (isLong && one.pod.app === LEAKING_APP) leaking.push(one.pod.name);
  else if (isLong && one.pod.app === POOLING_APP) pooling++;
  return one;
}

/** Half of its connections end in order, the others break. */
function bury(): void {
  const { kept } = end(living.shift()!);
  let nth = 0;
  for (const socket of kept) {
    if (nth++ % 2 === 0) socket.end();
    else socket.resetAndDestroy();
  }
}

/** As often as a second of this rate wants it, whatever the timer does. */
function repeat(perSecond: number, make: (from: Living) => Promise<void>): NodeJS.Timeout {
  let lastMs = performance.now();
  let due = 0;
  return setInterval(() => {
    const nowMs = performance.now();
    due = Math.min(due + ((nowMs - lastMs) * perSecond) / 1000, perSecond);
    lastMs = nowMs;
    for (; due >= 1; due--) attempt(make);
  }, TICK_MS);
}

async function serve(): Promise<void> {
  for (const port of [TCP_PORT, LEAK_PORT]) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {}).on('end', () => socket.end('answer'));
      socket.resume();
    });
    server.listen({ host: '::', port, backlog: 4096 });
    await once(server, 'listening');
  }
  for (let service = 0; service < SERVICES; service++) {
    // Each on its own address: an answer from any other would be another entry of the table.
    for (const [family, address] of Object.entries(backendAddresses(service)))
      await echo(createSocket(family === 'ipv4' ? 'udp4' : 'udp6'), address);
  }
}

async function echo(socket: UdpSocket, address: string): Promise<void> {
  socket.on('message', (_message, { port, address: to }) => socket.send('answer', port, to));
  socket.bind(UDP_PORT, address);
  await once(socket, 'listening');
}

function made(): Made {
  return { opened, open, failed, pods, leaking, pooling };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { netns: { type: 'string' }, inventory: { type: 'string' } },
  });
  const { netns = '', inventory = '' } = values;
  enterNetworkNamespace(netns);
  await serve();
  const write = () =>
    writeInventory(
      inventory,
      living.map(({ pod }) => pod),
    );
  await write();
  process.send?.(made());
  await once(process, 'message');

  for (let pod = 0; pod < PODS; pod++) bear();
  await write();
  const timers = [
    repeat(TCP_PER_SECOND, exchangeTcp),
    repeat(UDP_PER_SECOND, exchangeUdp),
    repeat(REFUSED_PER_SECOND, beRefused),
    setInterval(() => {
      bury();
      bear();
    }, 60_000 / PODS_REPLACED_PER_MINUTE),
    setInterval(() => void write(), INVENTORY_MS),
  ];
  await once(process, 'message');

  for (const timer of timers) clearInterval(timer);
  for (const one of living) end(one);
  await Promise.all(underWay);
  process.send?.(made());
}
