import { pino } from 'pino';
import type { Log } from '../../src/runtime/log.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [property: string]: unknown;
}

/** A real log, of which a test reads the lines. */
export function capturedLog(): { readonly log: Log; readonly lines: readonly Line[] } {
  const lines: Line[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { log, lines };
}
