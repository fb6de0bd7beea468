import { constants } from 'node:os';
import {
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDR_WORDS,
  NLMSG_OVERRUN,
  NLM_F_DUMP_INTR,
} from './constants.ts';
import { messageEnd, messageType, type Receiver } from './datagram.ts';
import { NetlinkError } from './error.ts';

const { EAGAIN, EINTR, EMSGSIZE, EPROTO, ETIMEDOUT } = constants.errno;

/** Carries datagrams between us and the kernel. */
export interface Transport extends Receiver {
  readonly portId: number;
  /** Length of what was sent, or -errno. */
  send(request: Uint8Array): number;
}

/**
 * Takes one message: `words` from `start` (behind its nlmsghdr) up to `end`. False when it is
 * malformed.
 */
export type MessageVisitor = (words: Uint32Array, start: number, end: number) => boolean;

export interface ExchangeResult {
  /** Messages dropped: those the visitor refused, and datagrams whose framing was lost. */
  readonly malformed: number;
  /**
   * The answer is not whole: the kernel said so (NLM_F_DUMP_INTR, NLMSG_OVERRUN), or the rest of a
   * datagram was lost with its framing.
   */
  readonly interrupted: boolean;
}

/**
 * Sends one request and visits its answer up to NLMSG_DONE, or to the NLMSG_ERROR that ends it
 * (0 is an acknowledgement). Messages of other requests are passed over.
 *
 * Throws a NetlinkError when the kernel refuses, when a datagram was cut off, and when the end does
 * not come in time; the transport is of no use after that, for what is still queued belongs to the
 * failed exchange.
 */
export function exchange(options: {
  readonly operation: string;
  readonly transport: Transport;
  readonly request: Uint8Array;
  readonly sequence: number;
  /** Type of the messages to visit; others are passed over. */
  readonly answerType: number;
  readonly visit: MessageVisitor;
  readonly timeoutMs: number;
  readonly now?: () => number;
}): ExchangeResult {
  const { operation, transport, request, timeoutMs, now = () => performance.now() } = options;
  const fail = (errno: number) => new NetlinkError(operation, errno);

  const sent = transport.send(request);
  if (sent < 0) throw fail(-sent);

  const words = new Uint32Array(transport.buffer);
  const deadlineMs = now() + timeoutMs;
  const walk = { ...options, words, malformed: 0, interrupted: false, errno: 0 };
  for (let ended = false; !ended;) {
    if (now() > deadlineMs) throw fail(ETIMEDOUT);
    const bytes = transport.receive();
    if (bytes === -EINTR) continue;
    if (bytes === -EAGAIN) throw fail(ETIMEDOUT);
    if (bytes < 0) throw fail(-bytes);
    // As long as the buffer means cut off: with MSG_TRUNC unset recv() says no more than that.
    if (bytes === 0 || bytes >= transport.buffer.byteLength) throw fail(EMSGSIZE);
    ended = walkDatagram(walk, bytes);
  }
  if (walk.errno !== 0) throw fail(walk.errno);
  return { malformed: walk.malformed, interrupted: walk.interrupted };
}

interface Walk {
  readonly words: Uint32Array;
  readonly transport: Transport;
  readonly sequence: number;
  readonly answerType: number;
  readonly visit: MessageVisitor;
  malformed: number;
  interrupted: boolean;
  errno: number;
}

/** Visits the messages of one datagram of `bytes`; true when the exchange has ended. */
function walkDatagram(walk: Walk, bytes: number): boolean {
  const { words, sequence, answerType, visit } = walk;
  const { portId } = walk.transport;
  for (let at = 0, end: number; (end = messageEnd(words, at, bytes)) !== 0; at = end) {
    if (end < 0) {
      walk.malformed++;
      walk.interrupted = true;
      return false;
    }
    if (words[at + 2] === sequence && words[at + 3] === portId) {
      const type = messageType(words, at);
      if (((words[at + 1]! >>> 16) & NLM_F_DUMP_INTR) !== 0) walk.interrupted = true;
      if (type === answerType) {
        if (!visit(words, at + NLMSG_HDR_WORDS, end)) walk.malformed++;
      } else if (type === NLMSG_DONE || type === NLMSG_ERROR) {
        walk.errno = endingErrno(words, at + NLMSG_HDR_WORDS, end, type);
        return true;
      } else if (type === NLMSG_OVERRUN) {
        walk.interrupted = true;
      }
    }
  }
  return false;
}

/** NLMSG_ERROR carries a negative errno or 0; NLMSG_DONE may carry one, or nothing. */
function endingErrno(words: Uint32Array, start: number, end: number, type: number): number {
  if (end > start) return -(words[start]! | 0);
  return type === NLMSG_ERROR ? EPROTO : 0;
}
