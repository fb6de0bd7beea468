import { every } from '../runtime/every.ts';
import type { Log } from '../runtime/log.ts';

/** Looks at files every now and then, until it is disposed of. */
export function lookAgain({
  what,
  periodMs,
  refresh,
  log,
}: {
  /** For the log, such as 'the inventory file'. */
  readonly what: string;
  readonly periodMs: number;
  readonly refresh: () => Promise<void>;
  readonly log: Log;
}): AsyncDisposable {
  const closing = new AbortController();
  const looking = every({
    periodMs,
    signal: closing.signal,
    tick: refresh,
    onError: (err) => log.error({ err }, `Cannot look at ${what} again`),
  });
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await looking;
    },
  };
}
