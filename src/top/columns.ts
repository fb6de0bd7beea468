import { measuresOf, type Measure, type Values } from './measures.ts';

/** One column of numbers. */
export interface Column {
  /** For `--sort`. */
  readonly name: ColumnName;
  readonly title: string;
  readonly measure: Measure;
  /** At most eight characters. */
  readonly text: (value: number) => string;
}

const COLUMN_NAMES = [
  'active',
  'established',
  'opened-per-second',
  'closed-per-second',
  'opened',
  'idle',
  'half-closed',
  'unanswered',
  'orphaned',
  'oldest',
  'leak-score',
  'to-server',
  'to-client',
] as const;

type ColumnName = (typeof COLUMN_NAMES)[number];

export const SORT_NAMES = [...COLUMN_NAMES, 'name'] as const;

export type SortName = (typeof SORT_NAMES)[number];

const column = (
  name: ColumnName,
  title: string,
  measure: Measure,
  text: Column['text'],
): Column => ({ name, title, measure, text });

/** From the left to the right; where they do not fit, the last ones are left out. */
const COLUMNS: readonly Column[] = [
  column('active', 'ACTIVE', 'active', count),
  column('established', 'ESTAB', 'established', count),
  column('opened-per-second', 'OPEN/s', 'openedPerSecond', rate),
  column('closed-per-second', 'CLOSE/s', 'closedPerSecond', rate),
  column('leak-score', 'LEAK', 'leakScore', (value) => value.toFixed(2)),
  column('idle', 'IDLE', 'idle', count),
  column('half-closed', 'HALF', 'halfClosed', count),
  column('unanswered', 'UNANSW', 'unanswered', count),
  column('orphaned', 'ORPHAN', 'orphaned', count),
  column('oldest', 'OLDEST', 'oldestSeconds', age),
  column('opened', 'OPENED', 'opened', count),
  column('to-server', 'B/s>SRV', 'bytesToServerPerSecond', rate),
  column('to-client', 'B/s>CLI', 'bytesToClientPerSecond', rate),
];

/** Of the measures that somebody tells of. */
export function columnsOf(all: Iterable<Values>): readonly Column[] {
  const told = measuresOf(all);
  return COLUMNS.filter(({ measure }) => told.includes(measure));
}

const UNITS = ['', 'k', 'M', 'G', 'T'];

function count(value: number): string {
  return value < 1_000_000 ? String(Math.round(value)) : short(value);
}

function rate(value: number): string {
  if (value === 0) return '0';
  if (value < 0.01) return '<0.01';
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : short(value);
}

/** Three digits and a unit: 1.23M. */
function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  let unit = 0;
  let rest = value;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit++;
  }
  const digits = unit === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2;
  return rest < 1e5 ? `${rest.toFixed(digits)}${UNITS[unit]}` : rest.toExponential(0);
}

const TIMES = [
  { seconds: 86_400, unit: 'd' },
  { seconds: 3600, unit: 'h' },
  { seconds: 60, unit: 'm' },
  { seconds: 1, unit: 's' },
];

/** The two largest units: 2d04h, 3h05m, 4m07s, 8s. */
export function age(seconds: number): string {
  if (!Number.isFinite(seconds)) return String(seconds);
  const whole = Math.max(0, Math.floor(seconds));
  const at = TIMES.findIndex((time) => whole >= time.seconds);
  const large = TIMES[at];
  const small = TIMES[at + 1];
  if (large === undefined || small === undefined) return `${whole}s`;
  const rest = Math.floor((whole % large.seconds) / small.seconds);
  return `${Math.floor(whole / large.seconds)}${large.unit}${String(rest).padStart(2, '0')}${small.unit}`;
}
