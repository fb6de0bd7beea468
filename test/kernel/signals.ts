/** What pages say of connections beside opened, closed and active. */
import type { Sample } from '../../src/telemetry/samples.ts';

/** Of one edge's signals: `idle lt_1m` → 3. What is 0 is left out. */
export type Signals = Readonly<Record<string, number>>;

const SIGNAL = /^khan_connection_(?<signal>idle|half_closed|unanswered|orphaned)$/;
const TRAFFIC = /^khan_connection_(?<unit>bytes|packets)_total$/;
const OWN = ['idle', 'closed_by', 'direction'];

/** The signals of all series that have these labels, summed up. */
export function signalsOf(samples: readonly Sample[], labels: Sample['labels']): Signals {
  return sumOf(samples, labels, (name) => SIGNAL.exec(name)?.groups?.['signal']);
}

/** The same of bytes and packets. */
export function trafficOf(samples: readonly Sample[], labels: Sample['labels']): Signals {
  return sumOf(samples, labels, (name) => TRAFFIC.exec(name)?.groups?.['unit']);
}

function sumOf(
  samples: readonly Sample[],
  wanted: Sample['labels'],
  signalOf: (name: string) => string | undefined,
): Signals {
  const sums: Record<string, number> = {};
  for (const { name, labels, value } of samples) {
    const signal = signalOf(name);
    if (signal === undefined || value === 0 || !hasAll(labels, wanted)) continue;
    const own = OWN.flatMap((key) => labels[key] ?? []);
    const key = [signal, ...own].join(' ');
    sums[key] = (sums[key] ?? 0) + value;
  }
  return sums;
}

export function hasAll(labels: Sample['labels'], wanted: Sample['labels']): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
