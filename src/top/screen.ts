import type { AgentState } from './agents.ts';
import { clip, plain } from './cell.ts';
import { columnsOf, type Column } from './columns.ts';
import { groupBy, titlesOf, type Row } from './grouping.ts';
import { faultText, healthText } from './health.ts';
import type { Edge } from './reading.ts';
import { filtered, sorted, type Order } from './selection.ts';
import { tableLines } from './table.ts';
import { HELP, type View } from './view.ts';

/** Lines of the screen that are not rows: how all is, what is shown, titles, keys. */
const OTHER_LINES = 4;
const KEYS = 'q quit  ←→ sort  r reverse  / filter  b by  space pause  h help';

export interface Line {
  readonly text: string;
  readonly style?: 'head' | 'dim' | 'alert';
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What a view shows of the agents' tables. */
export interface Chosen {
  readonly columns: readonly Column[];
  readonly order: Order;
  /** All that pass the filter, in order, but no more than the limit. */
  readonly rows: readonly Row[];
  /** All that pass the filter. */
  readonly rowsTotal: number;
}

export function choose(
  view: Pick<View, 'by' | 'sort' | 'isReversed' | 'filter'>,
  edges: Iterable<Edge>,
  limit: number,
): Chosen {
  const all = groupBy(view.by, edges);
  const columns = columnsOf(all.map(({ values }) => values));
  const column = columns.find(({ name }) => name === view.sort);
  const order = { column, isReversed: view.isReversed };
  const passed = filtered(all, view.filter);
  return {
    columns,
    order,
    rows: sorted(passed, order).slice(0, limit),
    rowsTotal: passed.length,
  };
}

export function pageRows({ rows }: Size): number {
  return Math.max(0, rows - OTHER_LINES);
}

/** All lines of a screen of this size, from the first to the last. */
export function screenLines(
  { view, agents, chosen }: { view: View; agents: readonly AgentState[]; chosen: Chosen },
  { size, nowMs }: { size: Size; nowMs: number },
): readonly Line[] {
  const height = pageRows(size);
  const content = view.isHelp
    ? helpLines(height)
    : rowLines(view, chosen, { columns: size.columns, rows: height });
  const fault = faultText(agents);
  const lines: readonly Line[] = [
    { text: `khan top · ${healthText(agents, nowMs)}` },
    fault === undefined
      ? { text: viewText(view, chosen), style: 'dim' }
      : { text: fault, style: 'alert' },
    ...content,
    view.isTyping ? { text: `/${plain(view.filter)}▏` } : { text: KEYS, style: 'dim' },
  ];
  return lines.slice(-size.rows).map((line) => ({ ...line, text: clip(line.text, size.columns) }));
}

/** The same for a pipe or a scroll-back: nothing is left out. */
export function printedText(
  { view, agents, chosen }: { view: View; agents: readonly AgentState[]; chosen: Chosen },
  { columns, nowMs }: { columns: number; nowMs: number },
): string {
  const { head, body } = tableLines({ titles: titlesOf(view.by), ...chosen }, columns);
  const left = chosen.rowsTotal - chosen.rows.length;
  const rest = left > 0 ? [`and ${left} rows more: see --limit`] : [];
  return [healthText(agents, nowMs), head, ...body, ...rest].map((line) => `${line}\n`).join('');
}

function viewText(view: View, { rows, rowsTotal, order }: Chosen): string {
  const sort = order.column?.name ?? 'name';
  return [
    `${rows.length < rowsTotal ? `${rows.length} of ` : ''}${rowsTotal} ${rowsTotal === 1 ? 'row' : 'rows'}`,
    `by ${view.by}`,
    `sorted by ${sort}${view.isReversed ? ', reversed' : ''}`,
    view.filter !== '' && `filter ${plain(view.filter)}`,
    view.isPaused && 'paused',
  ]
    .filter(Boolean)
    .join(' · ');
}

function rowLines(view: View, chosen: Chosen, { columns, rows: height }: Size): readonly Line[] {
  // There may be fewer rows by now than when it was scrolled.
  const offset = Math.max(0, Math.min(view.offset, chosen.rows.length - height));
  const rows = chosen.rows.slice(offset, offset + height);
  const { head, body } = tableLines({ titles: titlesOf(view.by), ...chosen, rows }, columns);
  const lines: readonly Line[] = [{ text: head, style: 'head' }, ...body.map((text) => ({ text }))];
  return padded(lines, height + 1);
}

function helpLines(height: number): readonly Line[] {
  const lines = HELP.map(([keys, meaning]) => ({ text: `${keys.padEnd(16)}${meaning}` }));
  return padded([{ text: 'KEYS', style: 'head' }, ...lines], height + 1);
}

function padded(lines: readonly Line[], height: number): readonly Line[] {
  return Array.from({ length: height }, (_, at) => lines[at] ?? { text: '' });
}
