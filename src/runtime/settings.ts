import { parseArgs } from 'node:util';
import { EXIT_USAGE, Failure } from './failure.ts';

/** One setting of a program. Its name is its key in the {@link SettingsTable}. */
export interface Setting<T> {
  /** What a user has to type, in a word or two: 'duration', 'integer', 'flag', 'json|text'. */
  readonly type: string;
  /** The limits of a value as a user would type them: '1s to 1h'. */
  readonly range?: string;
  readonly default: T;
  /** The default as a user would type it; '' when there is none. */
  readonly defaultText: string;
  readonly description: string;
  /** Throws an Error whose message says what is wrong with the text. */
  readonly parse: (text: string) => T;
}

/** Settings by name in kebab-case: 'poll-interval' is `--poll-interval` and `KHAN_POLL_INTERVAL`. */
export type SettingsTable = Readonly<Record<string, Setting<unknown>>>;

export type SettingsOf<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer T> ? T : never;
};

const FLAG = 'flag';

/** Any text. Empty text counts as none: it means the default. */
export function text(options: {
  readonly default: string;
  readonly description: string;
}): Setting<string>;
export function text(options: { readonly description: string }): Setting<string | undefined>;
export function text(options: {
  readonly default?: string;
  readonly description: string;
}): Setting<string | undefined> {
  return {
    type: 'text',
    default: options.default,
    defaultText: options.default ?? '',
    description: options.description,
    parse: (input) => (input === '' ? options.default : input),
  };
}

export function integer(options: {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
  readonly description: string;
}): Setting<number> {
  const { min, max, unit, description } = options;
  const range = `${min} to ${max}${unit === undefined ? '' : ` ${unit}`}`;
  const parse = (input: string): number => {
    if (!/^-?\d+$/.test(input)) throw new Error('not a whole number');
    const value = Number(input);
    if (value < min || value > max) throw new Error(`outside of ${range}`);
    return value;
  };
  const defaultText = String(options.default);
  return { type: 'integer', range, default: parse(defaultText), defaultText, description, parse };
}

/** The longest first. */
const UNIT_MS = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]);

/** A span of time, '500ms', '30s', '10m' or '1h', as milliseconds. */
export function duration(options: {
  readonly default: string;
  readonly minMs: number;
  readonly maxMs: number;
  readonly description: string;
}): Setting<number> {
  const { minMs, maxMs, description } = options;
  const range = `${durationText(minMs)} to ${durationText(maxMs)}`;
  const parse = (input: string): number => {
    const [, count, unit = ''] = /^(\d+)([a-z]+)$/.exec(input) ?? [];
    const unitMs = UNIT_MS.get(unit);
    if (unitMs === undefined) throw new Error('not a duration such as 500ms, 30s, 10m or 1h');
    const valueMs = Number(count) * unitMs;
    if (valueMs < minMs || valueMs > maxMs) throw new Error(`outside of ${range}`);
    return valueMs;
  };
  const defaultText = options.default;
  return { type: 'duration', range, default: parse(defaultText), defaultText, description, parse };
}

function durationText(ms: number): string {
  for (const [unit, unitMs] of UNIT_MS) {
    if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return `${ms}ms`;
}

/** Off unless given. In the environment it is true, false, 1 or 0. */
export function flag(options: { readonly description: string }): Setting<boolean> {
  return {
    type: FLAG,
    default: false,
    defaultText: '',
    description: options.description,
    parse: (input) => {
      if (input === 'true' || input === '1') return true;
      if (input === 'false' || input === '0') return false;
      throw new Error('neither true, false, 1 nor 0');
    },
  };
}

export function choice<const T extends string>(options: {
  readonly choices: readonly T[];
  readonly default: NoInfer<T>;
  readonly description: string;
}): Setting<T> {
  const { choices, default: chosen, description } = options;
  const type = choices.join('|');
  return { type, default: chosen, defaultText: chosen, description, parse: oneOf(choices) };
}

/** For a list of choices. Throws an Error that names the others. */
export function oneOf<const T extends string>(choices: readonly T[]): (input: string) => T {
  return (input) => {
    const chosen = choices.find((one) => one === input);
    if (chosen === undefined) throw new Error(`${input} is not one of ${choices.join(', ')}`);
    return chosen;
  };
}

/** Items between commas; `none` is the empty list, also where the default is not. */
export function list<T>(options: {
  readonly type: string;
  readonly parse: (item: string) => T;
  readonly default: string;
  readonly description: string;
}): Setting<readonly T[]> {
  const { type, description } = options;
  const parse = (input: string): readonly T[] =>
    input.trim() === 'none'
      ? []
      : input
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== '')
          .map((item) => options.parse(item));
  const defaultText = options.default;
  return { type, default: parse(defaultText), defaultText, description, parse };
}

/** All that is wrong with a command line and its environment, at once. */
export class SettingsError extends Failure {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const lines = faults.map((fault) => `\n  ${fault}`).join('');
    super(`Cannot use these settings:${lines}`, { exitCode: EXIT_USAGE });
    this.faults = faults;
  }
}

/**
 * The command line wins over the environment, the environment over the default. An empty variable
 * counts as unset. Unknown KHAN_* variables are none of ours: Kubernetes injects
 * KHAN_CONTROLLER_SERVICE_HOST and the like for a Service of that name.
 *
 * Throws a {@link SettingsError} that lists every fault.
 */
export function readSettings<T extends SettingsTable>(
  table: T,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SettingsOf<T> {
  const faults: string[] = [];
  const given = readCommandLine(table, argv, faults);
  const read = ([name, setting]: [string, Setting<unknown>]): [string, unknown] => {
    const variable = variableOf(name);
    const fromEnv = env[variable] === '' ? undefined : env[variable];
    const input = given.get(name) ?? fromEnv;
    if (input === undefined) return [name, setting.default];
    try {
      return [name, setting.parse(input)];
    } catch (error) {
      const origin = given.has(name) ? `--${name} ${input}` : `${variable}=${input}`;
      faults.push(`${origin}: ${error instanceof Error ? error.message : String(error)}`);
      return [name, undefined];
    }
  };
  const values = Object.fromEntries(Object.entries(table).map(read));
  if (faults.length > 0) throw new SettingsError(faults);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value is its setting's own
  return values as SettingsOf<T>;
}

function readCommandLine(
  table: SettingsTable,
  argv: readonly string[],
  faults: string[],
): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  // Not strict: parseArgs itself would stop at the first fault.
  const { tokens } = parseArgs({
    args: argv,
    options: Object.fromEntries(
      Object.entries(table).map(([name, { type }]) => [
        name,
        { type: type === FLAG ? ('boolean' as const) : ('string' as const), multiple: true },
      ]),
    ),
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push(`${token.value}: unexpected argument`);
    if (token.kind !== 'option') continue;
    const setting = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    const isLong = token.rawName.startsWith('--');
    const value = token.value ?? (setting?.type === FLAG ? 'true' : undefined);
    const isNextOption = !token.inlineValue && value?.startsWith('-') === true;
    if (setting === undefined || !isLong) faults.push(`${token.rawName}: unknown option`);
    else if (given.has(token.name)) faults.push(`${token.rawName}: given more than once`);
    else if (value === undefined || isNextOption) faults.push(`${token.rawName}: needs a value`);
    else given.set(token.name, value);
  }
  return given;
}

function variableOf(name: string): string {
  return `KHAN_${name.toUpperCase().replaceAll('-', '_')}`;
}

const HELP_COLUMNS = 100;
const HELP_LEFT_COLUMNS_MAX = 36;

/** The options block of --help. */
export function settingsHelp(table: SettingsTable): string {
  const rows = Object.entries(table).map(([name, setting]) => ({
    left: `  --${name}${setting.type === FLAG ? '' : ` <${setting.type}>`}`,
    right: `${setting.description}${limits(setting)}`,
  }));
  const widths = rows.map(({ left }) => left.length + 2);
  const indent = Math.max(0, ...widths.filter((width) => width <= HELP_LEFT_COLUMNS_MAX));
  const blocks = rows.map(({ left, right }) => {
    const lines = wrap(right, HELP_COLUMNS - indent).map((line) => ' '.repeat(indent) + line);
    if (left.length + 2 > indent) return [left, ...lines].join('\n');
    return left.padEnd(indent) + lines.join('\n').slice(indent);
  });
  return `${blocks.join('\n')}\n`;
}

function limits({ range, defaultText }: Setting<unknown>): string {
  const parts = [range, defaultText === '' ? undefined : `default ${defaultText}`];
  const said = parts.filter((part) => part !== undefined).join(', ');
  return said === '' ? '' : ` (${said})`;
}

function wrap(prose: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of prose.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

const code = (value: string): string => (value === '' ? '' : `\`${value}\``);

/** A Markdown table, aligned as prettier would. */
export function settingsMarkdown(table: SettingsTable): string {
  const rows = [
    ['Option', 'Environment', 'Type', 'Default', 'Description'],
    ...Object.entries(table).map(([name, { type, range, defaultText, description }]) => [
      code(`--${name}`),
      code(variableOf(name)),
      range === undefined ? type : `${type}, ${range}`,
      code(defaultText),
      description,
    ]),
  ].map((row) => row.map((cell) => cell.replaceAll('|', String.raw`\|`)));
  const widths = [0, 1, 2, 3, 4].map((at) =>
    Math.max(3, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const lines = rows
    .toSpliced(
      1,
      0,
      widths.map((width) => '-'.repeat(width)),
    )
    .map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)));
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
