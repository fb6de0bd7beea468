import type { Attributes } from '@opentelemetry/api';
import type { LeakEvent } from '../../src/connections/leak-watch.ts';
import type { LeakVerdict } from '../../src/connections/leak-verdict.ts';

/** The leak of the text books, and what is different about it. */
export function leakEvent({
  verdict = {},
  ...different
}: Partial<Omit<LeakEvent<Attributes>, 'verdict'>> & {
  readonly verdict?: Partial<LeakVerdict>;
} = {}): LeakEvent<Attributes> {
  const sinceMs = Date.UTC(2026, 10, 26, 14, 2);
  return {
    kind: 'began',
    labels: {
      node: 'node-a',
      src_ip: '10.1.0.7',
      src_ns: 'shop',
      src_app: 'cart',
      src_name: 'cart-0',
      dst_ip: '10.96.0.10',
      dst_ns: 'shop',
      dst_app: 'db',
      dst_port: 5432,
      primary: true,
    },
    atMs: sinceMs + 3_600_000,
    sinceMs,
    ...different,
    verdict: {
      score: 0.98765,
      reason: 'idle',
      ratePerMinute: 3.1234,
      sinceMs,
      open: 412,
      idleShare: 0.9601,
      halfClosedShare: 0,
      closedBy: undefined,
      ...verdict,
    },
  };
}
