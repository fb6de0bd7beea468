/** What the demo shows: the generator's truth beside what khan counted. */
import { ATTRIBUTE } from '../telemetry/names.ts';
import type { Leak } from './demo.ts';
import { CLUSTER, type Row } from './truth.ts';

const COLUMNS = { edge: 62, count: 9 };

/** One line a row. */
export function tableText(rows: readonly Row[]): string {
  const line = (scope: string, edge: string, counts: readonly string[], mark: string) =>
    `${scope.padEnd(9)}${edge.padEnd(COLUMNS.edge)}${counts.map((count) => count.padStart(COLUMNS.count)).join('')} ${mark}`.trimEnd();
  const head = line('', 'connections opened', ['truth', 'khan'], '');
  const lines = rows.map(({ scope, edge, expected, counted, equal }) =>
    line(scope, edgeText(edge), [String(expected), String(counted)], equal ? '' : '≠'),
  );
  return `${[head, ...lines].join('\n')}\n`;
}

export function totalText(seconds: number, rows: readonly Row[], leak: Leak): string {
  const cluster = rows.filter(({ scope }) => scope === CLUSTER);
  const sum = (of: 'expected' | 'counted') => cluster.reduce((total, row) => total + row[of], 0);
  return (
    `${seconds} s: opened ${sum('expected')}, counted ${sum('counted')}; ` +
    `${leak.client} leaks to ${leak.server}:${leak.port}: ${leak.expected} open, counted ${leak.counted}\n`
  );
}

function edgeText(edge: Row['edge']): string {
  const end = (name: string, address: string) =>
    [edge[name], edge[address]].filter((part) => part !== undefined).join(' ');
  const port = edge[ATTRIBUTE.destinationPort];
  const source = end(ATTRIBUTE.sourceName, ATTRIBUTE.sourceAddress);
  const destination = end(ATTRIBUTE.destinationName, ATTRIBUTE.destinationAddress);
  return `${source} → ${destination} ${edge[ATTRIBUTE.transport]}${port === undefined ? '' : ` ${port}`}`;
}
