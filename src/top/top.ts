import { setTimeout as delay } from 'node:timers/promises';
import { every } from '../runtime/every.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { agentPage } from './agent-page.ts';
import { Agents, type PageSource } from './agents.ts';
import { checkSettings, type TopSettings } from './config.ts';
import { jsonText } from './json.ts';
import { choose, pageRows, printedText, screenLines } from './screen.ts';
import { printedColumns, Terminal } from './terminal.ts';
import { pressed, type Key, type View } from './view.ts';

interface Options {
  readonly settings: TopSettings;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
  /** The table of this machine, for --kernel. */
  readonly openKernel: (settings: TopSettings) => Promise<PageSource & AsyncDisposable>;
}

/** Shows the table until it is told to end; with `once`, prints it. Throws a Failure when it cannot. */
export async function runTop(options: Options): Promise<void> {
  const { settings, openKernel } = options;
  checkSettings(settings);
  await using resources = new AsyncDisposableStack();
  const sources = settings.kernel
    ? [resources.use(await openKernel(settings))]
    : settings.agent.map((url) => agentPage(url));
  const agents = new Agents(sources);
  if (settings.once) await printOnce(agents, options);
  else await show(agents, options);
}

async function printOnce(
  agents: Agents,
  { settings, signal, print }: Omit<Options, 'openKernel'>,
): Promise<void> {
  try {
    await agents.refresh(signal);
    refuseFaults(agents);
    await delay(settings.interval, undefined, { signal });
    await agents.refresh(signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new Failure('Cannot look twice: told to end before', { exitCode: EXIT_FAILURE, cause });
  }
  refuseFaults(agents);
  const view = firstView(settings);
  const chosen = choose(view, agents.edges(), settings.limit);
  const { states } = agents;
  const nowMs = Date.now();
  print(
    settings.json
      ? jsonText({ ...view, agents: states, ...chosen })
      : printedText({ view, agents: states, chosen }, { columns: printedColumns(), nowMs }),
  );
}

/** A sum with an agent missing would be a wrong number. */
function refuseFaults({ states }: Agents): void {
  for (const { fault } of states) if (fault !== undefined) throw fault;
}

async function show(
  agents: Agents,
  { settings, env, signal }: Omit<Options, 'openKernel'>,
): Promise<void> {
  const quit = new AbortController();
  let view = firstView(settings);
  using terminal = new Terminal({
    onKey: (key) => press(key),
    onResize: () => draw(),
    onEnd: () => quit.abort(),
    term: env['TERM'],
  });
  let chosen = choose(view, agents.edges(), settings.limit);
  const draw = (): void => {
    const shown = { view, agents: agents.states, chosen };
    terminal.draw(screenLines(shown, { size: terminal.size, nowMs: Date.now() }));
  };
  const press = (key: Key): void => {
    const next = pressed(view, key, {
      sorts: ['name', ...chosen.columns.map(({ name }) => name)],
      rowsTotal: chosen.rows.length,
      pageRows: pageRows(terminal.size),
    });
    if (next === undefined) return quit.abort();
    view = next;
    chosen = choose(view, agents.edges(), settings.limit);
    draw();
  };
  draw();
  await every({
    periodMs: settings.interval,
    signal: AbortSignal.any([signal, quit.signal]),
    tick: async (tickSignal) => {
      if (view.isPaused) return;
      await agents.refresh(tickSignal);
      refuseSilence(agents);
      chosen = choose(view, agents.edges(), settings.limit);
      draw();
    },
    onError: (error) => {
      throw error;
    },
  });
}

/** Nobody has ever answered: the first says why. */
function refuseSilence({ states }: Agents): void {
  const [first] = states;
  if (states.every(({ reading }) => reading === undefined) && first?.fault) throw first.fault;
}

function firstView({ by, sort, filter = '' }: TopSettings): View {
  return {
    by,
    sort,
    isReversed: false,
    filter,
    isTyping: false,
    isPaused: false,
    isHelp: false,
    offset: 0,
  };
}
