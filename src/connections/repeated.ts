import type { EntryRows } from './entry-rows.ts';

/** The kernel refuses entries for longer chains: MIN_CHAINLEN + MAX_CHAINLEN, nf_conntrack_core.c. */
const BUCKET_ROWS_MAX = 80;

/**
 * True when a row is the second one of an entry. When the entry at which a datagram ended is gone, the
 * kernel sends its bucket again from the start (ctnetlink_dump_table()), so the other one is near: before
 * this one, or behind it where this and the last dump had come together again by then.
 */
export function isRepeated(rows: EntryRows, row: number): boolean {
  for (let other = Math.max(0, row - BUCKET_ROWS_MAX); other < row; other++) {
    if (rows.isSame(row, rows, other)) return true;
  }
  const end = Math.min(row + 1 + BUCKET_ROWS_MAX, rows.count);
  for (let other = row + 1; other < end; other++) {
    if (rows.isCounted(other) && rows.isSame(row, rows, other)) return true;
  }
  return false;
}
