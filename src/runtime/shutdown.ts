import { constants } from 'node:os';
import type { Log } from './log.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const DEADLINE_MS = 2000;

/** Asks for an orderly end; handlers and timer go when it is disposed of. */
interface Shutdown extends Disposable {
  /** Aborts at the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
}

/**
 * The first SIGTERM or SIGINT asks the program to end. A second one, or a program that has not
 * ended `deadlineMs` later, ends the process at once with 128 + the signal's number, as a shell
 * reports a process that a signal has killed.
 */
export function untilSignal({
  log,
  deadlineMs = DEADLINE_MS,
}: {
  readonly log: Log;
  readonly deadlineMs?: number;
}): Shutdown {
  const controller = new AbortController();
  let deadline: NodeJS.Timeout | undefined;

  const endNow = (name: NodeJS.Signals, why: string): void => {
    log.fatal({ signal: name }, `Cannot end in order: ${why}`);
    process.exit(128 + constants.signals[name]);
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) return endNow(name, 'a second signal came');
    log.info({ signal: name }, 'Ending');
    const why = `still running ${deadlineMs} ms after the signal`;
    deadline = setTimeout(endNow, deadlineMs, name, why);
    // It only has to fire when something else keeps the process alive.
    deadline.unref();
    controller.abort();
  };

  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(deadline);
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
