import { emitKeypressEvents } from 'node:readline';
import { styleText } from 'node:util';
import { EXIT_USAGE, Failure } from '../runtime/failure.ts';
import type { Line, Size } from './screen.ts';
import type { Key } from './view.ts';

/**
 * xterm control sequences ("Alternate Screen Buffer", DECTCEM, DECAWM): a screen of its own, without a
 * cursor, and lines that never run over into the next, should a name be wider than it says.
 */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** ECMA-48 CUP and EL. */
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';

/** What a terminal is called that knows none of these. */
const DUMB = 'dumb';
const SIZE_UNKNOWN: Size = { columns: 80, rows: 24 };

const STYLES = { head: 'inverse', dim: 'dim', alert: ['bold', 'red'] } as const;

interface Options {
  readonly onKey: (key: Key) => void;
  readonly onResize: () => void;
  /** Nobody is there to press a key any more. */
  readonly onEnd: () => void;
  /** What the terminal is called: $TERM. */
  readonly term: string | undefined;
}

/** The terminal while a table is on it. What it was like before comes back, whatever ends the program. */
export class Terminal implements Disposable {
  readonly #options: Options;
  readonly #onKeypress = (_text: string | undefined, key: Key): void => this.#options.onKey(key);
  readonly #leave = (): void => {
    process.stdin.setRawMode(false);
    process.stdout.write(LEAVE);
  };

  /** Throws a Failure where there is no terminal. */
  constructor(options: Options) {
    const { stdin, stdout } = process;
    if (!stdin.isTTY || !stdout.isTTY || options.term === DUMB) {
      const message =
        'Cannot draw a live table: stdin or stdout is no terminal that could show one. --once prints one';
      throw new Failure(message, { exitCode: EXIT_USAGE });
    }
    this.#options = options;
    // process.exit() does not pass by whoever would dispose of this.
    process.once('exit', this.#leave);
    stdout.write(ENTER);
    stdin.setRawMode(true);
    emitKeypressEvents(stdin);
    stdin.on('keypress', this.#onKeypress);
    stdin.on('end', options.onEnd);
    stdout.on('resize', options.onResize);
    stdin.resume();
  }

  get size(): Size {
    const { columns, rows } = process.stdout;
    return columns > 0 && rows > 0 ? { columns, rows } : SIZE_UNKNOWN;
  }

  /** One write, so that nothing of the last screen shines through. Colours as NO_COLOR and the terminal have it. */
  draw(lines: readonly Line[]): void {
    const styled = lines.map(({ text, style }) =>
      style === undefined ? text : styleText(STYLES[style], text),
    );
    // Cleared before it is written: behind a full line the cursor still stands on its last character.
    const cleared = styled.map((line) => CLEAR_LINE + line);
    process.stdout.write(HOME + cleared.join('\r\n'));
  }

  [Symbol.dispose](): void {
    const { stdin, stdout } = process;
    process.off('exit', this.#leave);
    stdin.off('keypress', this.#onKeypress);
    stdin.off('end', this.#options.onEnd);
    stdout.off('resize', this.#options.onResize);
    stdin.pause();
    this.#leave();
  }
}

/** Columns for text that is printed; a pipe has no end. */
export function printedColumns(): number {
  const { isTTY, columns } = process.stdout;
  return isTTY && columns > 0 ? columns : Number.POSITIVE_INFINITY;
}
