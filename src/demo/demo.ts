/** A whole cluster on one machine: its traffic, khan, and the truth beside khan's numbers. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { every } from '../runtime/every.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import type { DemoSettings } from './config.ts';
import { KhanPrograms } from './khan-programs.ts';
import { Lab } from './lab.ts';
import { hasProgram, requirePrograms } from './programs.ts';
import { LEAK, Scenario } from './scenario.ts';
import { LiveSummary, finalText } from './summary.ts';
import { NODES } from './topology.ts';
import { Traffic } from './traffic.ts';
import { type Comparison, compare } from './truth.ts';
import { gainNamespaces } from './user-namespace.ts';

const SHOW_MS = 1000;
/** Each agent takes a snapshot between two rounds, whatever the two clocks do. */
const POLLS_A_ROUND = 1.5;
/** The last connections need a snapshot, and a new counter shows 0 for one poll interval. */
const POLLS_BEFORE_COMPARISON = 3;
const COMPARISONS_MAX = 4;

interface Options {
  readonly settings: DemoSettings;
  readonly log: Log;
  /** Ends the demo; without a comparison. */
  readonly signal: AbortSignal;
  /** Writes to stdout. */
  readonly print: (text: string) => void;
}

/** Throws a {@link Failure} when the machine does not allow it, or a number is not the truth. */
export async function runDemo(options: Options): Promise<void> {
  const { settings, log, signal } = options;
  await requirePrograms({ log });
  await gainNamespaces();
  try {
    await demonstrate(options);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    if (settings.seconds === 0) return;
    const message = 'Cannot compare with the truth: ended before the last snapshot';
    throw new Failure(message, { exitCode: EXIT_FAILURE, cause });
  }
}

/** Rejects when the signal aborts. */
async function demonstrate({ settings, signal, print }: Options): Promise<void> {
  const { seconds, json, 'poll-interval': pollIntervalMs, 'log-level': logLevel } = settings;
  const interruption = aborted(signal);
  // It may come while something else is awaited that heeds the signal by itself.
  interruption.catch(() => {});
  await using lab = await Lab.create({ signal });
  await using traffic = new Traffic(lab);
  const scenario = new Scenario(traffic, { withPing: await hasProgram('ping') });
  await Promise.race([scenario.start(), interruption]);
  await using khan = await KhanPrograms.start({ lab, pollIntervalMs, logLevel, signal });
  if (!json) print(welcome(khan));

  const compareNow = async () =>
    compare({ truth: traffic.truth(), samples: await khan.samples(), leak: LEAK });
  const live = new LiveSummary(json ? () => {} : print, {
    terminal: process.stdout.isTTY ? process.stdout : undefined,
  });
  const beganMs = performance.now();
  const show = async () => {
    live.show(Math.round((performance.now() - beganMs) / 1000), await compareNow());
  };
  const over =
    seconds > 0 ? AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]) : signal;
  const roundMs = pollIntervalMs * POLLS_A_ROUND;
  const run = Promise.all([
    every({ periodMs: roundMs, signal: over, tick: () => scenario.round(), onError: fail }),
    every({ periodMs: SHOW_MS, signal: over, tick: show, onError: fail }),
  ]);
  const interrupted = Promise.race([khan.ended, interruption]);
  await Promise.race([run, interrupted]);

  const last = await Promise.race([settle({ compareNow, pollIntervalMs, signal }), interrupted]);
  print(json ? `${JSON.stringify({ seconds, ...last })}\n` : finalText(seconds, last));
  if (!last.equal) throw new Failure(difference(last), { exitCode: EXIT_FAILURE });
  if (!json) print('Every number is the truth.\n');
}

/** Waits for the snapshot that has it all; when the numbers never meet, the last comparison. */
async function settle({
  compareNow,
  pollIntervalMs,
  signal,
}: {
  readonly compareNow: () => Promise<Comparison>;
  readonly pollIntervalMs: number;
  readonly signal: AbortSignal;
}): Promise<Comparison> {
  // Read as regularly as a scraper: a new counter stays at 0 until those have seen it.
  for (let poll = 0; poll < POLLS_BEFORE_COMPARISON; poll++) {
    await compareNow();
    await delay(pollIntervalMs, undefined, { signal });
  }
  let last = await compareNow();
  for (let again = 1; again < COMPARISONS_MAX && !last.equal; again++) {
    await delay(pollIntervalMs, undefined, { signal });
    last = await compareNow();
  }
  return last;
}

/** Rejects when the signal aborts: what still runs loses what it runs on. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** Ends what {@link every} repeats. */
function fail(error: unknown): never {
  throw error;
}

function welcome({ controller, agents }: KhanPrograms): string {
  const lines = agents.map((agent, index) => `${NODES[index]?.name}  ${agent.url}/metrics`);
  return `${lines.join('\n')}\ncontroller  ${controller.url}/metrics\n\n`;
}

function difference({ rows, leak }: Comparison): string {
  const wrong = rows.filter(({ equal }) => !equal).length + (leak.equal ? 0 : 1);
  return `Cannot confirm khan's numbers: ${wrong} of ${rows.length + 1} differ from the truth`;
}
