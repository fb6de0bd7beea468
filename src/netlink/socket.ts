import { endianness } from 'node:os';
import koffi from 'koffi';
import { AF_NETLINK } from './constants.ts';
import { NetlinkError } from './error.ts';
import type { Transport } from './exchange.ts';

/**
 * The one file that talks to libc. Everything is synchronous and meant for a worker thread.
 *
 * Buffers are only ever lent to the call that fills them. An address of a JavaScript buffer must
 * never be kept in native memory: V8 frees or moves it, and the heap is corrupted.
 */

const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
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

/** An open netlink socket of the calling thread's network namespace. */
export class NetlinkSocket implements Transport, Disposable {
  readonly buffer = new ArrayBuffer(RECEIVE_BUFFER_BYTES);
  readonly portId: number;
  readonly #bytes = new Uint8Array(this.buffer);
  readonly #fd: number;

  /** `protocol` is one of NETLINK_*. Throws a NetlinkError. */
  constructor(protocol: number) {
    if (endianness() !== 'LE') throw new NetlinkError('read netlink on a big-endian host', 95);
    this.#fd = checked(
      'open a netlink socket',
      c.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol),
    );
    try {
      const address = new Uint8Array(SOCKADDR_NL_BYTES);
      address[0] = AF_NETLINK;
      checked('bind a netlink socket', c.bind(this.#fd, address, SOCKADDR_NL_BYTES));
      checked(
        'read the port id of a netlink socket',
        c.getsockname(this.#fd, address, new Uint32Array([SOCKADDR_NL_BYTES])),
      );
      this.portId = new DataView(address.buffer).getUint32(4, true);
      const timeout = new BigInt64Array([RECEIVE_TIMEOUT_SECONDS, 0n]);
      checked(
        'set the receive timeout of a netlink socket',
        c.setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.byteLength),
      );
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  send(request: Uint8Array): number {
    const sent: number = c.send(this.#fd, request, request.length, 0);
    return sent < 0 ? -koffi.errno() : sent;
  }

  receive(): number {
    const received: number = c.recv(this.#fd, this.#bytes, RECEIVE_BUFFER_BYTES, 0);
    return received < 0 ? -koffi.errno() : received;
  }

  [Symbol.dispose](): void {
    c.close(this.#fd);
  }
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
