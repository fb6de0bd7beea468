#!/usr/bin/env node
import manifest from '../package.json' with { type: 'json' };
import { EXIT_FAILURE, EXIT_USAGE, Failure } from './runtime/failure.ts';
import { createLog, type Log, type LogLevel } from './runtime/log.ts';
import {
  readSettings,
  settingsHelp,
  type SettingsOf,
  type SettingsTable,
} from './runtime/settings.ts';
import { untilSignal } from './runtime/shutdown.ts';

/** What every program gets from the command line. */
interface Context<Table> {
  readonly settings: SettingsOf<Table>;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

interface Program<Table extends SettingsTable> {
  readonly settings: Table;
  readonly run: (context: Context<Table>) => Promise<void>;
}

/** Loaded on demand: each program's imports cost memory that the others need not pay. */
const PROGRAMS = {
  agent: {
    summary: 'count the connections of this node and serve them as metrics',
    load: async () => {
      const { agentSettings } = await import('./agent/config.ts');
      const { runAgent } = await import('./agent/agent.ts');
      return program({ settings: agentSettings, run: runAgent });
    },
  },
  controller: {
    summary: 'tell agents who owns the addresses of their tables',
    load: async () => {
      const { controllerSettings } = await import('./controller/config.ts');
      const { runController } = await import('./controller/controller.ts');
      return program({ settings: controllerSettings, run: runController });
    },
  },
  demo: {
    summary: 'a whole cluster in network namespaces of this machine, with its truth beside it',
    load: async () => {
      const { demoSettings } = await import('./demo/config.ts');
      const { runDemo } = await import('./demo/demo.ts');
      return program({ settings: demoSettings, run: runDemo });
    },
  },
} as const;

/** Reads the settings of one program and runs it. */
type Runner = { readonly help: string; readonly run: (argv: readonly string[]) => Promise<void> };

function program<Table extends SettingsTable & { 'log-level': { default: LogLevel } }>({
  settings: table,
  run,
}: Program<Table>): Runner {
  return {
    help: settingsHelp(table),
    async run(argv) {
      const settings = readSettings(table, argv, process.env);
      const level = (settings as { readonly 'log-level': LogLevel })['log-level'];
      const log = createLog({ name: 'khan', level });
      using shutdown = untilSignal({ log });
      const { signal } = shutdown;
      const print = (text: string) => void process.stdout.write(text);
      const context = { settings, version: manifest.version, env: process.env, log, signal, print };
      await run(context);
    },
  };
}

const USAGE = `Usage: khan <command> [options]

Commands:
${Object.entries(PROGRAMS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}\n`)
  .join('')}
khan <command> --help lists its options; each is also an environment variable, --poll-interval as
KHAN_POLL_INTERVAL. khan --version prints the version.
`;

async function main([command = '', ...argv]: readonly string[]): Promise<void> {
  const wantsHelp = (argument: string | undefined) => argument === '--help' || argument === '-h';
  if (wantsHelp(command)) {
    process.stdout.write(USAGE);
  } else if (command === '--version') {
    process.stdout.write(`${manifest.version}\n`);
  } else if (Object.hasOwn(PROGRAMS, command)) {
    const { load, summary } = PROGRAMS[command as keyof typeof PROGRAMS];
    const { help, run } = await load();
    if (!argv.some(wantsHelp)) return run(argv);
    process.stdout.write(`Usage: khan ${command} [options]: ${summary}\n\nOptions:\n${help}`);
  } else {
    const fault = command === '' ? 'no command' : `${command}: no such command`;
    throw new Failure(`Cannot run khan: ${fault}\n\n${USAGE}`, { exitCode: EXIT_USAGE });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Failure) process.stderr.write(`${error.message}\n`);
  else console.error(error); // oxlint-disable-line no-console -- a fault of khan, with its stack
  process.exitCode = error instanceof Failure ? error.exitCode : EXIT_FAILURE;
}
// Everything has been closed in order; what is left are retries of the OTLP exporter, which hold the
// event loop for up to ten seconds.
process.exit();
