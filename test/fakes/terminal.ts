import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { until } from '../demo/until.ts';

const PROMPT = 'ready>';
/** Longer than any test: nothing is left when a test could not tear down. */
const SECONDS_MAX = 300;

interface Options {
  readonly columns: number;
  readonly rows: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A terminal with a shell in it, as a person would have it: tmux, with a server of its own. */
export class Terminal {
  readonly #sockets: string;
  readonly #directory: string;
  #files = 0;

  private constructor(sockets: string, directory: string) {
    this.#sockets = sockets;
    this.#directory = directory;
  }

  /** Resolves when the shell waits for a command. */
  static async open(t: Test, { columns, rows, env = {} }: Options): Promise<Terminal> {
    const directory = t.testdir({});
    // Not in the test's own folder: the path of a socket is short.
    const sockets = mkdtempSync(join(tmpdir(), 'khan-'));
    const terminal = new Terminal(sockets, directory);
    const { PATH = '', HOME = '/' } = process.env;
    const clean = Object.entries({ PATH, HOME, LANG: 'C.UTF-8', PS1: `${PROMPT} `, ...env });
    // An interactive shell ignores SIGTERM.
    const limit = ['timeout', '--foreground', '--signal=HUP', String(SECONDS_MAX)];
    const shell = [...limit, 'bash', '--norc', '--noprofile'];
    const size = ['-x', String(columns), '-y', String(rows)];
    terminal.#tmux(
      ['-u', '-f', '/dev/null', 'new-session', '-d', ...size, 'env', '-i'].concat(
        'TERM=screen-256color',
        clean.map(([name, value]) => `${name}=${value}`),
        shell,
      ),
    );
    t.teardown(() => {
      terminal.#tmux(['kill-server']);
      rmSync(sockets, { recursive: true });
    });
    await terminal.#prompted();
    return terminal;
  }

  /** What a person sees; with `styled`, also in which colours. */
  screen({ styled = false } = {}): string {
    return this.#tmux(['capture-pane', '-p', ...(styled ? ['-e'] : [])]);
  }

  /** Resolves to whether the screen has come to look like that. */
  async shows(pattern: RegExp): Promise<boolean> {
    return until(() => pattern.test(this.screen()));
  }

  type(text: string): void {
    this.#tmux(['send-keys', '-l', text]);
  }

  /** A key by tmux' name of it: `Right`, `Enter`, `C-c`. */
  press(key: string): void {
    this.#tmux(['send-keys', key]);
  }

  run(command: string): void {
    this.type(command);
    this.press('Enter');
  }

  resize(columns: number, rows: number): void {
    this.#tmux(['resize-window', '-x', String(columns), '-y', String(rows)]);
  }

  /** Everything that a program may leave behind: modes of the line, of the screen, of the cursor. */
  async modes(): Promise<string> {
    await this.#prompted();
    const path = join(this.#directory, `modes-${this.#files++}`);
    this.run(`stty -a > ${path}.part && mv ${path}.part ${path}`);
    await until(() => existsSync(path));
    const flags = '#{alternate_on} #{cursor_flag} #{wrap_flag} #{keypad_flag} #{mouse_any_flag}';
    return readFileSync(path, 'utf8') + this.#tmux(['display-message', '-p', flags]);
  }

  async #prompted(): Promise<void> {
    const isPrompt = () => this.screen().trimEnd().endsWith(PROMPT);
    if (!(await until(isPrompt))) throw new Error(`Cannot see a prompt: ${this.screen()}`);
  }

  #tmux(argv: readonly string[]): string {
    const env = { ...process.env, TMUX: '', TMUX_TMPDIR: this.#sockets };
    return execFileSync('tmux', argv, { encoding: 'utf8', env });
  }
}
