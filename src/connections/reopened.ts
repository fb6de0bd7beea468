import { IPPROTO_TCP } from '../conntrack/entry.ts';
import type { EntryRows } from './entry-rows.ts';

/** enum tcp_conntrack, by the two sides of a reopening */
const TCP_ENDING = maskOf(6, 7, 8); // LAST_ACK, TIME_WAIT, CLOSE
const TCP_BEGINNING = maskOf(1, 2, 3, 9); // SYN_SENT, SYN_RECV, ESTABLISHED, SYN_SENT2

/** True when the connection of a row is over, and only its entry is still there. */
export function isEnding(rows: EntryRows, row: number): boolean {
  return rows.protocol(row) === IPPROTO_TCP && ((TCP_ENDING >>> rows.stateSlot(row)) & 1) === 1;
}

/**
 * CTA_ID is a hash of the entry's place in memory and its tuple, so a tuple that is used again can
 * get the same id again. What betrays it: an event told of the end, the state went back to the
 * beginning, the start time is another, or the packets are fewer.
 */
export function isReopened(
  rows: EntryRows,
  row: number,
  last: EntryRows,
  lastRow: number,
): boolean {
  if (rows.isEnded(row)) return true;
  if (rows.starts.get(row, 0) !== last.starts.get(lastRow, 0)) return true;
  if (rows.packets(row) < last.packets(lastRow)) return true;
  return isEnding(last, lastRow) && ((TCP_BEGINNING >>> rows.stateSlot(row)) & 1) === 1;
}

function maskOf(...numbers: number[]): number {
  return numbers.reduce((mask, number) => mask | (1 << number), 0);
}
