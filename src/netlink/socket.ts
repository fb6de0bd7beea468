import { constants, endianness } from 'node:os';
import koffi from 'koffi';
import { AF_NETLINK } from './constants.ts';
import { NetlinkError } from './error.ts';
import type { Receiver } from './datagram.ts';
import type { Transport } from './exchange.ts';

/**
 * The one file that talks to libc. Everything is synchronous and meant for a worker thread.
 *
 * Buffers are only ever lent to the call that fills them. An address of a JavaScript buffer must
 * never be kept in native memory: V8 frees or moves it, and the heap is corrupted.
 */

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;
/** struct sockaddr_nl: family u16, pad u16, port id u32, groups u32 */
const SOCKADDR_NL_BYTES = 12;

/** The kernel fills at most 32 KiB per recv(), so a datagram is never cut off in this. */
const RECEIVE_BUFFER_BYTES = 64 * 1024;
const RECEIVE_TIMEOUT_SECONDS = 5n;

const libc = koffi.load(null);
// koffi has no ssize_t; on Linux it is a long.
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  getsockname: libc.func('int getsockname(int, void *, void *)'),
  setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  send: libc.func('long send(int, const void *, size_t, int)'),
  recv: libc.func('long recv(int, void *, size_t, int)'),
  open: libc.func('int open(const char *, int)'),
  close: libc.func('int close(int)'),
  setns: libc.func('int setns(int, int)'),
};

/** An open netlink socket of the calling thread's network namespace, for requests and their answers. */
export class NetlinkSocket implements Transport, Disposable {
  readonly buffer = new ArrayBuffer(RECEIVE_BUFFER_BYTES);
  readonly portId: number;
  readonly #bytes = new Uint8Array(this.buffer);
  readonly #fd: number;

  /** `protocol` is one of NETLINK_*. Throws a NetlinkError. */
  constructor(protocol: number) {
    let portId = 0;
    this.#fd = openSocket(protocol, (fd) => {
      const address = new Uint8Array(SOCKADDR_NL_BYTES);
      checked(
        'read the port id of a netlink socket',
        c.getsockname(fd, address, new Uint32Array([SOCKADDR_NL_BYTES])),
      );
      portId = new DataView(address.buffer).getUint32(4, true);
      const timeout = new BigInt64Array([RECEIVE_TIMEOUT_SECONDS, 0n]);
      checked(
        'set the receive timeout of a netlink socket',
        c.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.byteLength),
      );
    });
    this.portId = portId;
  }

  send(request: Uint8Array): number {
    const sent: number = c.send(this.#fd, request, request.length, 0);
    return sent < 0 ? -koffi.errno() : sent;
  }

  receive(): number {
    return received(this.#fd, this.#bytes, 0);
  }

  [Symbol.dispose](): void {
    c.close(this.#fd);
  }
}

/**
 * Hears what the kernel sends to multicast groups, in the calling thread's network namespace. It never
 * waits: -EAGAIN is silence, and -ENOBUFS says once that messages were lost, before those that were not.
 *
 * NETLINK_BROADCAST_SEND_ERROR stays off: with it the kernel would keep entries for our sake.
 */
export class NetlinkListener implements Receiver, Disposable {
  readonly buffer = new ArrayBuffer(RECEIVE_BUFFER_BYTES);
  readonly #bytes = new Uint8Array(this.buffer);
  readonly #fd: number;

  /**
   * `groups` are numbers of the protocol's multicast groups. `bufferBytes` are for messages that wait,
   * each of which takes more than its length; without CAP_NET_ADMIN in the first user namespace they
   * are no more than net.core.rmem_max. Throws a NetlinkError.
   */
  constructor(options: {
    readonly protocol: number;
    readonly groups: readonly number[];
    readonly bufferBytes: number;
  }) {
    const { protocol, groups, bufferBytes } = options;
    this.#fd = openSocket(protocol, (fd) => {
      setReceiveBuffer(fd, bufferBytes);
      for (const group of groups) {
        const number = new Uint32Array([group]);
        checked(
          'join a netlink multicast group',
          c.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, number, number.byteLength),
        );
      }
    });
  }

  receive(): number {
    return received(this.#fd, this.#bytes, MSG_DONTWAIT);
  }

  [Symbol.dispose](): void {
    c.close(this.#fd);
  }
}

/** An open and bound socket; closed again where `prepare` throws. */
function openSocket(protocol: number, prepare: (fd: number) => void): number {
  if (endianness() !== 'LE') throw new NetlinkError('read netlink on a big-endian host', 95);
  const fd = checked(
    'open a netlink socket',
    c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol),
  );
  try {
    const address = new Uint8Array(SOCKADDR_NL_BYTES);
    address[0] = AF_NETLINK;
    checked('bind a netlink socket', c.bind(fd, address, SOCKADDR_NL_BYTES));
    prepare(fd);
    return fd;
  } catch (error) {
    c.close(fd);
    throw error;
  }
}

function setReceiveBuffer(fd: number, bytes: number): void {
  const set = (option: number): number => {
    const value = new Uint32Array([bytes]);
    return c.setsockopt(fd, SOL_SOCKET, option, value, value.byteLength);
  };
  const forced = set(SO_RCVBUFFORCE);
  const isRefused = forced < 0 && koffi.errno() === constants.errno.EPERM;
  checked('set the receive buffer of a netlink socket', isRefused ? set(SO_RCVBUF) : forced);
}

function received(fd: number, bytes: Uint8Array, flags: number): number {
  const length: number = c.recv(fd, bytes, RECEIVE_BUFFER_BYTES, flags);
  return length < 0 ? -koffi.errno() : length;
}

/**
 * Moves the calling thread, and only it, into the network namespace at `path` (such as
 * /run/netns/NAME or /proc/PID/ns/net). Threads of libuv's pool that start later from this thread
 * would follow it: the caller uses synchronous calls only. Throws a NetlinkError.
 */
export function enterNetworkNamespace(path: string): void {
  const fd = checked(`open the network namespace ${path}`, c.open(path, O_RDONLY | O_CLOEXEC));
  try {
    checked(`enter the network namespace ${path}`, c.setns(fd, CLONE_NEWNET));
  } finally {
    c.close(fd);
  }
}

function checked(operation: string, result: number): number {
  if (result < 0) throw new NetlinkError(operation, koffi.errno());
  return result;
}
