import type { Cost } from './growth-plot.ts';
import type { Row } from './row.ts';

/** One scenario in a process of its own, and what its lines say. */
export interface Step<Line = any> {
  /** Options of the benchmark. */
  readonly argv: readonly string[];
  readonly read: (lines: readonly Line[]) => Findings;
}

export interface Findings {
  readonly rows: readonly Row[];
  /** Of the plot. */
  readonly costs?: readonly Cost[];
  /** What stands below the table. */
  readonly notes?: readonly string[];
}

export function step<Line>(
  argv: readonly string[],
  read: (lines: readonly Line[]) => Findings,
): Step<Line> {
  return { argv, read };
}

export function counted(value: number): string {
  return value.toLocaleString('en');
}
