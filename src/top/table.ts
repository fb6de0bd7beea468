import { fit, plain, widthOf } from './cell.ts';
import type { Column } from './columns.ts';
import type { Row } from './grouping.ts';
import type { Order } from './selection.ts';

const GAP = '  ';
/** So that a table does not jump when a number gets one digit more. */
const NUMBER_COLUMNS_MIN = 7;
const NAME_COLUMNS_MIN = 20;
const UNKNOWN = '-';

interface Content {
  /** Of the names. */
  readonly titles: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly order: Order;
}

interface Lines {
  readonly head: string;
  readonly body: readonly string[];
}

/** One column as text, its title first. */
interface Cells {
  readonly texts: readonly string[];
  readonly width: number;
  readonly isOrder: boolean;
}

/**
 * Lines of at most `width` columns, which may be infinite. Where not all fit, the last columns of numbers
 * go first, but not the one that the rows are sorted by; then names are cut.
 */
export function tableLines(content: Content, width: number): Lines {
  const names = content.titles.map((title, at) => nameCells(title, at, content));
  const namesMin = names.reduce((sum, each) => sum + Math.min(each.width, NAME_COLUMNS_MIN), 0);
  const gaps = GAP.length * (names.length - 1);
  const numbers = thoseThatFit(numberCells(content), width - namesMin - gaps);
  const widths = shrunk(
    names.map((each) => each.width),
    width - gaps - widthOfAll(numbers),
  );
  const line = (at: number): string => {
    const cells = [
      ...names.map(({ texts }, name) => fit(texts[at] ?? '', widths[name] ?? 0)),
      ...numbers.map((each) => (each.texts[at] ?? '').padStart(each.width)),
    ];
    const text = cells.join(GAP).trimEnd();
    return widthOf(text) <= width ? text : fit(text, width);
  };
  return { head: line(0), body: content.rows.map((_, at) => line(at + 1)) };
}

function nameCells(title: string, at: number, { rows, order }: Content): Cells {
  const texts = [title, ...rows.map(({ names }) => plain(names[at] ?? ''))];
  const isOrder = order.column === undefined && at === 0;
  return { texts, width: texts.reduce((max, text) => Math.max(max, widthOf(text)), 0), isOrder };
}

function numberCells({ columns, rows, order }: Content): readonly Cells[] {
  return columns.map(({ title, measure, text }) => {
    const isOrder = order.column?.measure === measure;
    const mark = isOrder ? (order.isReversed ? '▲' : '▼') : '';
    const numbers = rows.map(({ values }) => {
      const value = values[measure];
      return value === undefined ? UNKNOWN : text(value);
    });
    const texts = [`${mark}${title}`, ...numbers];
    const width = texts.reduce((max, { length }) => Math.max(max, length), NUMBER_COLUMNS_MIN);
    return { texts, width, isOrder };
  });
}

function thoseThatFit(cells: readonly Cells[], width: number): readonly Cells[] {
  let kept = cells;
  while (widthOfAll(kept) > width) {
    const last = kept.findLastIndex(({ isOrder }) => !isOrder);
    if (last < 0) break;
    kept = kept.toSpliced(last, 1);
  }
  return kept;
}

/** With the gap before each. */
function widthOfAll(cells: readonly Cells[]): number {
  return cells.reduce((sum, cell) => sum + GAP.length + cell.width, 0);
}

/** The widest give way first. */
function shrunk(widths: readonly number[], total: number): readonly number[] {
  const left = [...widths];
  let excess = left.reduce((sum, width) => sum + width, 0) - total;
  while (excess > 0) {
    const widest = left.indexOf(Math.max(...left));
    const width = left[widest] ?? 0;
    if (width <= 1) break;
    const second = Math.max(1, ...left.filter((_, at) => at !== widest));
    const step = Math.max(1, Math.min(excess, width - second));
    left[widest] = width - Math.min(step, width - 1);
    excess -= step;
  }
  return left;
}
