/** What the demo shows: the generator's truth beside what khan counted. */
import { ATTRIBUTE } from '../telemetry/names.ts';
import { CLUSTER, type Comparison, type Row } from './truth.ts';

const SCOPE_COLUMNS = 9;
const EDGE_COLUMNS = 66;
const COUNT_COLUMNS = 8;
/** Lines of the screen that are not rows of the table. */
const OTHER_LINES = 4;
/** Cursor up by so many lines, then clear to the end of the screen (ECMA-48 CPL and ED). */
const redraw = (lines: number) => (lines === 0 ? '' : `\x1b[${lines}F\x1b[J`);

/** The numbers while the demo runs: one frame redrawn on a terminal, else one line each time. */
export class LiveSummary {
  readonly #print: (text: string) => void;
  readonly #terminal: { readonly rows: number } | undefined;
  #lines = 0;

  constructor(
    print: (text: string) => void,
    { terminal }: { readonly terminal: { readonly rows: number } | undefined },
  ) {
    this.#print = print;
    this.#terminal = terminal;
  }

  show(seconds: number, comparison: Comparison): void {
    const total = totalLine(seconds, comparison);
    if (this.#terminal === undefined) {
      this.#print(total);
      return;
    }
    const rows = clusterRows(comparison);
    const shown = rows.slice(0, Math.max(1, this.#terminal.rows - OTHER_LINES));
    const left = rows.length - shown.length;
    const more = left === 0 ? '' : `… and ${left} more\n`;
    const frame = tableText(shown, { marked: false }) + more + total;
    this.#print(redraw(this.#lines) + frame);
    this.#lines = frame.split('\n').length - 1;
  }
}

/** All numbers at the end of the demo. */
export function finalText(seconds: number, comparison: Comparison): string {
  return `\n${tableText(comparison.rows, { marked: true })}\n${totalLine(seconds, comparison)}`;
}

/** marked: what is not equal; while the demo runs, khan is always a snapshot behind. */
function tableText(rows: readonly Row[], { marked }: { readonly marked: boolean }): string {
  const head = tableLine('', 'connections opened', 'truth', 'khan', '');
  const lines = rows.map(({ scope, edge, expected, counted, equal }) =>
    tableLine(
      scope,
      edgeText(edge),
      String(expected),
      String(counted),
      equal || !marked ? '' : ' ≠',
    ),
  );
  return [head, ...lines].map((line) => `${line}\n`).join('');
}

function tableLine(scope: string, edge: string, truth: string, khan: string, mark: string): string {
  const counts = truth.padStart(COUNT_COLUMNS) + khan.padStart(COUNT_COLUMNS);
  return scope.padEnd(SCOPE_COLUMNS) + edge.padEnd(EDGE_COLUMNS) + counts + mark;
}

function totalLine(seconds: number, comparison: Comparison): string {
  const { client, server, port, expected, counted } = comparison.leak;
  const sum = (of: 'expected' | 'counted') =>
    clusterRows(comparison).reduce((total, row) => total + row[of], 0);
  return (
    `${seconds} s: ${sum('expected')} connections opened, khan counts ${sum('counted')}; ` +
    `${client} leaks to ${server} port ${port}: ${expected} open, khan counts ${counted}\n`
  );
}

function clusterRows({ rows }: Comparison): readonly Row[] {
  return rows.filter(({ scope }) => scope === CLUSTER);
}

function edgeText(edge: Row['edge']): string {
  const joined = (...names: readonly string[]) =>
    names
      .map((name) => edge[name])
      .filter((value) => value !== undefined)
      .join(' ');
  const source = joined(ATTRIBUTE.sourceName, ATTRIBUTE.sourceAddress);
  const destination = joined(ATTRIBUTE.destinationName, ATTRIBUTE.destinationAddress);
  return `${source} → ${destination} ${joined(ATTRIBUTE.transport, ATTRIBUTE.destinationPort)}`;
}
