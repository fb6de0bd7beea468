import type { Spread } from './spread.ts';

/** A line of the table: something that was measured, against something in the same run. */
export interface Row {
  readonly scenario: string;
  readonly what: string;
  readonly against?: string;
  readonly ratio?: Spread | undefined;
  readonly value?: Spread | undefined;
  readonly unit?: string;
  /** Median, or the longest of all where the scenario knows no other. */
  readonly blockMs?: number;
  readonly rssMb?: number;
  readonly bar?: Bar;
}

interface Bar {
  readonly text: string;
  readonly isMet: boolean;
}

/** A number that was measured once. */
export function once(value: number): Spread {
  return { median: value, low: value, high: value };
}

export function atMost(limit: number, unit: string, measured: number | undefined): Bar {
  return { text: `≤ ${limit} ${unit}`, isMet: measured !== undefined && measured <= limit };
}

export function atLeast(limit: number, unit: string, measured: number | undefined): Bar {
  return { text: `≥ ${limit} ${unit}`, isMet: measured !== undefined && measured >= limit };
}

const HEAD = ['scenario', 'what', 'ratio', 'against', 'median', 'memory', 'block', 'bar', ''];

/** A Markdown table; prettier aligns it. Ranges are in parentheses. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row, at) => [
    row.scenario === rows[at - 1]?.scenario ? '' : row.scenario,
    row.what,
    spreadText(row.ratio, '×'),
    row.against ?? '',
    spreadText(row.value, row.unit ?? ''),
    row.rssMb === undefined ? '' : `${Math.round(row.rssMb)} MB`,
    row.blockMs === undefined ? '' : `${short(row.blockMs)} ms`,
    row.bar?.text ?? '',
    row.bar === undefined ? '' : row.bar.isMet ? 'met' : '**not met**',
  ]);
  return [HEAD, HEAD.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function spreadText(spread: Spread | undefined, unit: string): string {
  if (spread === undefined) return '';
  const { median, low, high } = spread;
  const range = low === high ? '' : ` (${short(low)} to ${short(high)})`;
  return `${short(median)} ${unit}${range}`.trim();
}

/** Three digits, or all before the point. */
function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}
