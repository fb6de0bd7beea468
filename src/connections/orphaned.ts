import { stateName } from '../conntrack/state.ts';
import type { Edge } from './edge.ts';
import { STATE_SLOTS } from './snapshot.ts';

/**
 * Both ends have closed, or one has reset the connection: how a pod's connections end when it does. By
 * state name, of TCP, SCTP and DCCP.
 */
const CLOSING: ReadonlySet<string> = new Set([
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'CLOSED',
  'SHUTDOWN_ACK_SENT',
  'TIMEWAIT',
]);

/** Connections of a row of {@link EdgeColumns.active} that a pod at one of their ends has left behind. */
export function orphanedIn(
  { source, destination, backend, protocol }: Edge,
  active: Uint32Array,
  row: number,
): number {
  if (!source.hasEnded && !destination.hasEnded && !backend.hasEnded) return 0;
  let count = 0;
  for (let slot = 0; slot < STATE_SLOTS; slot++) {
    const inState = active[row * STATE_SLOTS + slot]!;
    if (inState > 0 && !CLOSING.has(stateName(protocol, slot))) count += inState;
  }
  return count;
}
