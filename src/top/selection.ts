import type { Column } from './columns.ts';
import type { Row } from './grouping.ts';

export interface Order {
  /** Undefined: by name. */
  readonly column: Column | undefined;
  readonly isReversed: boolean;
}

/** Rows that have each word of the filter in a name or in the value of a label, in any case. */
export function filtered(rows: readonly Row[], filter: string): readonly Row[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter(({ names, labels }) => {
    const texts = [...names, ...Object.values(labels)].map((text) => text.toLowerCase());
    return words.every((word) => texts.some((text) => text.includes(word)));
  });
}

/** The largest number first, names from A to Z; rows without the number last, whatever the order. */
export function sorted(rows: readonly Row[], { column, isReversed }: Order): readonly Row[] {
  const sign = isReversed ? -1 : 1;
  const numberOf = ({ values }: Row) => column && (values[column.measure] ?? undefined);
  return rows.toSorted((one, other) => {
    const [a, b] = [numberOf(one), numberOf(other)];
    if (a !== b) {
      if (a === undefined) return 1;
      if (b === undefined) return -1;
      return sign * (b - a);
    }
    const byName = compareTexts(one.names.join('\n'), other.names.join('\n'));
    return column === undefined ? sign * byName : byName;
  });
}

/** By code units: quick, and the same on every machine. */
function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
