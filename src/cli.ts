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

/** What a program gets to run with; each takes what it needs. */
interface Context<Table> {
  readonly settings: SettingsOf<Table>;
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/** A program that only needs its command line. */
interface Runnable {
  readonly help: string;
  readonly run: (argv: readonly string[]) => Promise<void>;
}

interface Command {
  readonly summary: string;
  /** Imports on demand: what one program loads costs memory that the others need not pay. */
  readonly load: () => Promise<Runnable>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  [
    'agent',
    {
      summary: 'count the connections of this node and serve them as metrics',
      load: async () => {
        const { agentSettings } = await import('./agent/config.ts');
        const { beginAgent, readAhead } = await import('./agent/begin-agent.ts');
        return runnable(
          agentSettings,
          (settings) => settings['log-level'],
          async (context) => {
            const begun = beginAgent(context);
            readAhead(begun);
            const { runAgent } = await import('./agent/agent.ts');
            await runAgent(context, begun);
          },
        );
      },
    },
  ],
  [
    'controller',
    {
      summary: 'tell agents who owns the addresses of their tables',
      load: async () => {
        const { controllerSettings } = await import('./controller/config.ts');
        const { runController } = await import('./controller/controller.ts');
        return runnable(controllerSettings, (settings) => settings['log-level'], runController);
      },
    },
  ],
  [
    'top',
    {
      summary: 'a live table of connections, from running agents or straight from the kernel',
      load: async () => {
        const { topSettings } = await import('./top/config.ts');
        const { runTop } = await import('./top/top.ts');
        return runnable(
          topSettings,
          (settings) => settings['log-level'],
          async (context) => {
            const openKernel = async (given: typeof context.settings) => {
              const { openKernelPage } = await import('./agent/kernel-page.ts');
              return openKernelPage({ ...context, given });
            };
            await runTop({ ...context, openKernel });
          },
        );
      },
    },
  ],
  [
    'demo',
    {
      summary: 'a whole cluster in network namespaces of this machine, with its truth beside it',
      load: async () => {
        const { demoSettings } = await import('./demo/config.ts');
        const { runDemo } = await import('./demo/demo.ts');
        return runnable(demoSettings, (settings) => settings['log-level'], runDemo);
      },
    },
  ],
]);

function runnable<Table extends SettingsTable>(
  table: Table,
  logLevelOf: (settings: SettingsOf<Table>) => LogLevel,
  run: (context: Context<Table>) => Promise<void>,
): Runnable {
  return {
    help: settingsHelp(table),
    async run(argv) {
      const { env } = process;
      const settings = readSettings(table, argv, env);
      const log = createLog({ name: 'khan', level: logLevelOf(settings) });
      using shutdown = untilSignal({ log });
      const { signal } = shutdown;
      await run({ settings, version: manifest.version, env, log, signal, print });
    },
  };
}

const USAGE = `Usage: khan <command> [options]

Commands:
${Array.from(COMMANDS, ([name, { summary }]) => `  ${name.padEnd(12)}${summary}\n`).join('')}
khan <command> --help lists its options; each is also an environment variable, --poll-interval as
KHAN_POLL_INTERVAL. khan --version prints the version.
`;

async function main([name = '', ...argv]: readonly string[]): Promise<void> {
  const command = COMMANDS.get(name);
  if (isHelp(name)) {
    print(USAGE);
  } else if (name === '--version') {
    print(`${manifest.version}\n`);
  } else if (command !== undefined) {
    const { help, run } = await command.load();
    if (!argv.some(isHelp)) return run(argv);
    print(`Usage: khan ${name} [options]: ${command.summary}\n\nOptions:\n${help}`);
  } else {
    const fault = name === '' ? 'no command' : `${name}: no such command`;
    throw new Failure(`Cannot run khan: ${fault}\n\n${USAGE}`, { exitCode: EXIT_USAGE });
  }
}

function isHelp(argument: string): boolean {
  return argument === '--help' || argument === '-h';
}

function print(text: string): void {
  process.stdout.write(text);
}

/** A reader who has seen enough, such as head(1), is told nothing more. */
function onStdoutError(error: NodeJS.ErrnoException): never {
  if (error.code !== 'EPIPE') process.stderr.write(`Cannot write to stdout: ${error.message}\n`);
  process.exit(EXIT_FAILURE);
}

/** A pipe takes 64 KiB at once; process.exit() would drop the rest. */
async function untilPrinted(): Promise<void> {
  const { stdout } = process;
  if (stdout.writableLength > 0) await new Promise((resolve) => void stdout.write('', resolve));
}

process.stdout.once('error', onStdoutError);
try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Failure) process.stderr.write(`${error.message}\n`);
  else console.error(error); // oxlint-disable-line no-console -- a fault of khan, with its stack
  process.exitCode = error instanceof Failure ? error.exitCode : EXIT_FAILURE;
}
await untilPrinted();
// Everything has been closed in order; what is left are retries of the OTLP exporter, which hold the
// event loop for up to ten seconds.
process.exit();
