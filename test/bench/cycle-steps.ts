import type { CycleResult } from './cycle.ts';
import type { Cost } from './growth-plot.ts';
import { atMost, type Row } from './row.ts';
import { toldSpread } from './spread.ts';
import { counted, step, type Step } from './suite-step.ts';
import { lackOfRoom, tuplesPerBucket } from './table-room.ts';

/** What the bars are of. */
export const ENTRIES = 262_144;
export const EDGES = 20_000;
/** Where only the entries grow; a million have as many edges as what the bars are of. */
const FEW_EDGES = 5000;
export const IPV6 = 30;
const DISCARD = 'bare discard';

interface Variant {
  readonly entries: number;
  readonly edges: number;
  readonly ipv6?: number;
  readonly replace?: boolean;
  readonly rounds?: number;
  /** Which lines of the plot it is a point of. */
  readonly of?: readonly ('entries' | 'edges')[];
  /** Beside the others that read the table, where these are asked for at all. */
  readonly beside?: boolean;
}

const VARIANTS: readonly Variant[] = [
  { entries: 10_000, edges: FEW_EDGES, of: ['entries'], beside: true, rounds: 9 },
  { entries: 100_000, edges: FEW_EDGES, of: ['entries'], beside: true },
  { entries: ENTRIES, edges: FEW_EDGES, of: ['entries', 'edges'] },
  { entries: 1_000_000, edges: EDGES, of: ['entries'], beside: true, rounds: 2 },
  { entries: ENTRIES, edges: 100, of: ['edges'] },
  { entries: ENTRIES, edges: 100_000, of: ['edges'] },
  { entries: ENTRIES, edges: EDGES, ipv6: 0 },
  { entries: ENTRIES, edges: EDGES, ipv6: 100 },
  { entries: ENTRIES, edges: EDGES, replace: true },
];

/** The table that the bars are of. */
export function cycleStep(): Step {
  const beside = { beside: true, rounds: 7 };
  return variantStep({ entries: ENTRIES, edges: EDGES, of: ['edges'], ...beside }, true);
}

/** Other tables, and a line on each that there is no room for here. */
export async function variantSteps(): Promise<{
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}> {
  const steps: Step[] = [];
  const notes: string[] = [];
  for (const variant of VARIANTS) {
    const lack = await lackOfRoom(variant.entries);
    if (lack === undefined) steps.push(variantStep(variant, false));
    else notes.push(`${counted(variant.entries)} entries are not measured: ${lack}`);
  }
  return { steps, notes };
}

function variantStep(variant: Variant, hasBars: boolean): Step {
  const { entries, edges, ipv6 = IPV6, replace = false, rounds = 3, beside = false } = variant;
  const argv = ['--scenario', 'cycle', '--entries', String(entries), '--edges', String(edges)]
    .concat(['--ipv6', String(ipv6), '--rounds', String(rounds)])
    .concat(replace ? ['--replace'] : [])
    .concat(beside ? ['--beside', 'conntrack,proc'] : []);
  return step<CycleResult>(argv, ([line]) => {
    if (line === undefined) return { rows: [] };
    const table = `${counted(entries)} entries, ${counted(edges)} edges`;
    const marks = [
      ...(ipv6 === IPV6 ? [] : [`${ipv6} % IPv6`]),
      ...(replace ? ['a fifth replaced before each cycle'] : []),
    ];
    const ratio = toldSpread(line.ratio, line.ratio_range);
    const scenario = [table, ...marks].join(', ');
    const value = toldSpread(line.ms, line.ms_range);
    const whole: Row = {
      scenario,
      what: 'whole cycle',
      against: DISCARD,
      ratio,
      value,
      unit: 'ms',
      rssMb: line.rss_mb,
      blockMs: line.cycle_block_ms,
      ...(hasBars && { bar: atMost(1.25, '×', ratio?.median) }),
    };
    const block = toldSpread(line.cycle_block_ms, line.cycle_block_ms_range);
    const rows: Row[] = [
      {
        scenario,
        what: DISCARD,
        value: toldSpread(line.baseline_ms, line.baseline_ms_range),
        unit: 'ms',
      },
      whole,
      ...(hasBars ? [blockRow(scenario, block)] : []),
      ...besideRows(scenario, line, hasBars),
    ];
    const notes: string[] = [];
    if (beside && line.conntrack_ms === null)
      notes.push('`conntrack` is not installed: its rows are left out.');
    if (beside && line.proc_ms === null)
      notes.push('This kernel has no /proc/net/nf_conntrack: its rows are left out.');
    const { buckets } = line;
    if (buckets !== null && entries > buckets) notes.push(noteOnChains(entries, buckets));
    return { rows, notes, costs: costsOf(variant, line) };
  });
}

function noteOnChains(entries: number, buckets: number): string {
  const each = tuplesPerBucket(entries, buckets).toFixed(1);
  return (
    `${counted(entries)} entries stand in the ${counted(buckets)} hash buckets of the host ` +
    `(net.netfilter.nf_conntrack_buckets), with both of their tuples: ${each} in each.`
  );
}

function blockRow(scenario: string, block: ReturnType<typeof toldSpread>): Row {
  return {
    scenario,
    what: 'longest block of the event loop in a cycle',
    value: block,
    unit: 'ms',
    bar: atMost(20, 'ms', block?.median),
  };
}

/** The cycle against others that read the table. */
function besideRows(scenario: string, line: CycleResult, hasBars: boolean): Row[] {
  const conntrack = toldSpread(line.conntrack_ratio, line.conntrack_ratio_range);
  const proc = toldSpread(line.proc_ratio, line.proc_ratio_range);
  return [
    ...(conntrack === undefined
      ? []
      : [
          {
            scenario,
            what: 'whole cycle',
            against: '`conntrack -L > /dev/null`',
            ratio: conntrack,
            ...(hasBars && { bar: atMost(0.6, '×', conntrack.median) }),
          },
          {
            scenario,
            what: '`conntrack -L > /dev/null`',
            value: toldSpread(line.conntrack_ms, line.conntrack_ms_range),
            unit: 'ms',
          },
        ]),
    ...(proc === undefined
      ? []
      : [
          { scenario, what: 'whole cycle', against: '/proc/net/nf_conntrack', ratio: proc },
          {
            scenario,
            what: 'reading /proc/net/nf_conntrack',
            value: toldSpread(line.proc_ms, line.proc_ms_range),
            unit: 'ms',
          },
        ]),
  ];
}

function costsOf({ entries, edges, of = [] }: Variant, line: CycleResult): Cost[] {
  return of.flatMap((grown) => {
    const point = { of: grown, size: grown === 'entries' ? entries : edges, unit: 'ms' };
    return [
      { ...point, what: 'whole cycle', cost: line.ms },
      { ...point, what: DISCARD, cost: line.baseline_ms },
    ];
  });
}
