import { constants } from 'node:os';
import type { Receiver } from '../../src/netlink/datagram.ts';
import type { Transport } from '../../src/netlink/exchange.ts';

/** What a request says; `portId` is that of the socket it came from. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
}

/** What receive() gives next: a datagram, or -errno. */
export type Reception = Uint8Array | number;

const BUFFER_BYTES = 64 * 1024;
/** High enough to be negative when it is taken for signed. */
export const PORT_ID = 0xf000_0001;

/**
 * A transport whose other end is a function: it gets the request, and what it gives is received one
 * after the other. Then there is silence, which is -EAGAIN after SO_RCVTIMEO.
 */
export function fakeKernel(
  answer: (request: Request) => Iterable<Reception>,
): Transport & Disposable {
  let receptions: Iterator<Reception, undefined> = [].values();
  return {
    ...receiverOf(() => receptions.next().value),
    portId: PORT_ID,
    send(request) {
      const view = new DataView(request.buffer, request.byteOffset);
      const answered = answer({
        type: view.getUint16(4, true),
        flags: view.getUint16(6, true),
        sequence: view.getUint32(8, true),
        portId: PORT_ID,
      });
      receptions = answered[Symbol.iterator]();
      return request.length;
    },
  };
}

/** Hears these receptions one after the other, those that are put behind them included, then silence. */
export function fakeListener(receptions: Reception[]): Receiver & Disposable {
  return receiverOf(() => receptions.shift());
}

function receiverOf(next: () => Reception | undefined): Receiver & Disposable {
  const bytes = new Uint8Array(BUFFER_BYTES);
  return {
    buffer: bytes.buffer,
    receive() {
      const reception = next() ?? -constants.errno.EAGAIN;
      if (typeof reception === 'number') return reception;
      bytes.set(reception);
      return reception.length;
    },
    [Symbol.dispose]: () => {},
  };
}
