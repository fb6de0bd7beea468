import type { SortName } from './columns.ts';
import { GROUPINGS, type GroupingName } from './grouping.ts';

const FILTER_CHARACTERS_MAX = 200;

/** What a person at the terminal has chosen to see. */
export interface View {
  readonly by: GroupingName;
  readonly sort: SortName;
  readonly isReversed: boolean;
  readonly filter: string;
  /** Keys go to the filter. */
  readonly isTyping: boolean;
  readonly isPaused: boolean;
  readonly isHelp: boolean;
  /** Rows above the first one on the screen. */
  readonly offset: number;
}

/** As node:readline tells of it. */
export interface Key {
  /** Of keys that are no text: `up`, `return`. */
  readonly name?: string | undefined;
  readonly sequence?: string | undefined;
  readonly ctrl?: boolean | undefined;
}

/** What there is to choose from. */
interface Shown {
  /** From the left to the right. */
  readonly sorts: readonly SortName[];
  readonly rowsTotal: number;
  /** Rows that fit on the screen. */
  readonly pageRows: number;
}

export const HELP: readonly (readonly [keys: string, meaning: string])[] = [
  ['q, Ctrl-C', 'quit'],
  ['← →, s', 'sort by the column to the left or to the right; s is →'],
  ['n', 'sort by name'],
  ['r', 'reverse the order'],
  ['/', 'filter: Enter keeps it, Esc clears it'],
  ['b', 'what a row is: edge, workload, source, destination, node'],
  ['space', 'pause and go on'],
  ['↑ ↓ PgUp PgDn', 'scroll'],
  ['h, ?', 'this help'],
];

/** The view after a key; undefined to quit. */
export function pressed(view: View, key: Key, shown: Shown): View | undefined {
  if (key.ctrl === true && key.name === 'c') return undefined;
  if (view.isTyping) return typed(view, key);
  if (view.isHelp) return key.sequence === 'q' ? undefined : { ...view, isHelp: false };
  const { rowsTotal, pageRows } = shown;
  const scrolled = (rows: number): View => {
    const offsetMax = Math.max(0, rowsTotal - pageRows);
    return { ...view, offset: Math.min(Math.max(0, view.offset + rows), offsetMax) };
  };
  switch (key.name ?? '') {
    case 'left':
      return sortedBy(view, shown, -1);
    case 'right':
      return sortedBy(view, shown, 1);
    case 'up':
      return scrolled(-1);
    case 'down':
      return scrolled(1);
    case 'pageup':
      return scrolled(-pageRows);
    case 'pagedown':
      return scrolled(pageRows);
    case 'escape':
      return { ...view, filter: '', offset: 0 };
    default:
      return commanded(view, key.sequence ?? '', shown);
  }
}

function commanded(view: View, command: string, shown: Shown): View | undefined {
  switch (command) {
    case 'q':
      return undefined;
    case 's':
      return sortedBy(view, shown, 1);
    case 'n':
      return { ...view, sort: 'name', offset: 0 };
    case 'r':
      return { ...view, isReversed: !view.isReversed, offset: 0 };
    case '/':
      return { ...view, isTyping: true };
    case 'b':
      return { ...view, by: after(GROUPINGS, view.by, 1), offset: 0 };
    case ' ':
      return { ...view, isPaused: !view.isPaused };
    case 'h':
    case '?':
      return { ...view, isHelp: true };
    default:
      return view;
  }
}

function sortedBy(view: View, { sorts }: Shown, step: number): View {
  return { ...view, sort: after(sorts, view.sort, step), isReversed: false, offset: 0 };
}

/** Around: behind the last comes the first. What is not there stands before the first. */
function after<T>(all: readonly T[], one: T, step: number): T {
  return all.at((all.indexOf(one) + step) % all.length) ?? one;
}

function typed(view: View, { name, sequence = '', ctrl }: Key): View {
  const withFilter = (filter: string): View => ({ ...view, filter, offset: 0 });
  switch (name ?? '') {
    case 'return':
    case 'enter':
      return { ...view, isTyping: false };
    case 'escape':
      return { ...withFilter(''), isTyping: false };
    case 'backspace':
      return withFilter(Array.from(view.filter).slice(0, -1).join(''));
    default: {
      if (ctrl === true && name === 'u') return withFilter('');
      const isText = sequence !== '' && !/\p{C}/u.test(sequence);
      return isText ? withFilter((view.filter + sequence).slice(0, FILTER_CHARACTERS_MAX)) : view;
    }
  }
}
