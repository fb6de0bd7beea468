import { destination, pino, stdSerializers, stdTimeFunctions, type Logger } from 'pino';
import { choice, type Setting } from './settings.ts';

/** An error goes under the key `err`: it is written with its stack and all its causes. */
export type Log = Logger;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof LEVELS)[number];

/** One JSON line an event on stderr; stdout belongs to what a command prints. */
export function createLog({
  name,
  level,
}: {
  readonly name: string;
  readonly level: LogLevel;
}): Log {
  return pino(
    {
      level,
      base: { name },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.errWithCause },
    },
    // Synchronous, so that the last line before an exit is not lost.
    destination({ dest: 2, sync: true }),
  );
}

/** The setting for {@link createLog}'s level. */
export function logLevel(): Setting<LogLevel> {
  return choice({ choices: LEVELS, default: 'info', description: 'Least severe events to log' });
}
