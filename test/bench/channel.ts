import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Asks a program that answers each message with one; one at a time, in the order of the calls. */
export class Channel {
  readonly child: ChildProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor(child: ChildProcess) {
    this.child = child;
  }

  async ask(message: object | string | number): Promise<any> {
    const answer = this.#last.then(async () => {
      const ended = new AbortController();
      const onExit = () => ended.abort(new Error('Cannot measure: a program has ended'));
      this.child.once('exit', onExit);
      try {
        const answered = once(this.child, 'message', { signal: ended.signal });
        this.child.send(message);
        const [first] = await answered;
        return first;
      } finally {
        this.child.off('exit', onExit);
      }
    });
    this.#last = answer.catch(() => {});
    return answer;
  }
}

/** What a program prints first. */
export async function lineOf(child: ChildProcess): Promise<string> {
  const [line] = await once(child.stdout!, 'data');
  return String(line).trim();
}
