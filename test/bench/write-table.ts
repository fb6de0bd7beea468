import { NETLINK_NETFILTER } from '../../src/netlink/constants.ts';
import { NetlinkError } from '../../src/netlink/error.ts';
import { exchange } from '../../src/netlink/exchange.ts';
import { NetlinkSocket } from '../../src/netlink/socket.ts';
import { CT_DELETE } from '../builders/ctnetlink.ts';

const NLM_F_ACK = 0x04;
/** A send() may be as long as net.core.wmem_default, which is 208 KiB, less the kernel's own share. */
const BATCH_BYTES = 192 * 1024;
const BATCH_TIMEOUT_MS = 10_000;

/** What all messages of a write have in common. */
export interface Header {
  readonly type: number;
  readonly flags: number;
}

/**
 * Writes ctnetlink messages into the table of the calling thread's network namespace, many at a time. Throws a
 * NetlinkError at the first one that the kernel refuses.
 */
export function writeToTable(messages: Iterable<Uint8Array>, { type, flags }: Header): void {
  const batch = new Uint8Array(BATCH_BYTES);
  const view = new DataView(batch.buffer);
  let bytes = 0;
  let last = 0;
  let sequence = 1;
  const flush = () => {
    if (bytes === 0) return;
    // Only the last message asks for an acknowledgement; a refused one answers anyway.
    view.setUint16(last + 6, flags | NLM_F_ACK, true);
    writeBatch(batch.subarray(0, bytes), { sequence, type });
    sequence++;
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

function writeBatch(
  request: Uint8Array,
  { sequence, type }: { readonly sequence: number; readonly type: number },
): void {
  // What a refused message leaves unread goes with its socket.
  using transport = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    exchange({
      operation: 'write to the connection tracking table',
      transport,
      request,
      sequence,
      answerType: type,
      visit: () => true,
      timeoutMs: BATCH_TIMEOUT_MS,
    });
  } catch (error) {
    // While a dump holds entries that are deleted, a table at its limit drops others for new ones.
    const hasLeft = error instanceof NetlinkError && error.code === 'ENOENT';
    if (!hasLeft || type !== CT_DELETE) throw error;
  }
}
