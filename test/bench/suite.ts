import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { format, resolveConfig } from 'prettier';
import { EXIT_FAILURE, Failure } from '../../src/runtime/failure.ts';
import { agentSteps, otherSteps } from './agent-steps.ts';
import { variantSteps } from './cycle-steps.ts';
import { clusterSteps } from './cluster-steps.ts';
import { exportSteps } from './export-steps.ts';
import { drawGrowth, type Cost } from './growth-plot.ts';
import { machine } from './machine.ts';
import { REPOSITORY, startProgram } from './program.ts';
import { tableOf, type Row } from './row.ts';
import type { Findings, Step } from './suite-step.ts';

/** The whole of it, on two cores. */
const SUITE_MS_MAX = 590_000;
const PAGE = join(REPOSITORY, 'docs/performance.md');
const PLOT = join(REPOSITORY, 'docs/images/growth.svg');
const BEGIN = '<!-- what follows is written by npm run bench -->';
const END = '<!-- written by npm run bench until here -->';

/**
 * All scenarios, small enough to end in ten minutes, each in a process of its own. Writes its table into
 * docs/performance.md and the plot beside it, unless a scenario has failed. What the bars are of comes
 * first: when the time is over, the rest is left out.
 */
export async function runSuite(): Promise<{
  readonly rows: readonly Row[];
  readonly text: string;
}> {
  const beganMs = performance.now();
  const elapsed = () => Math.round((performance.now() - beganMs) / 1000);
  const variants = await variantSteps();
  const steps = [
    ...agentSteps(),
    ...exportSteps(),
    ...clusterSteps(),
    ...variants.steps,
    ...otherSteps(),
  ];
  const rows: Row[] = [];
  const costs: Cost[] = [];
  const notes = new Set(variants.notes);
  for (const [at, step] of steps.entries()) {
    const name = step.argv.slice(1).join(' ');
    process.stderr.write(`[${at + 1}/${steps.length}] ${elapsed()} s: ${name}\n`);
    const findings = await run(step, SUITE_MS_MAX - (performance.now() - beganMs));
    if (findings === undefined) notes.add(`Left out, for the time was over: ${name}.`);
    rows.push(...(findings?.rows ?? []));
    costs.push(...(findings?.costs ?? []));
    for (const note of findings?.notes ?? []) notes.add(note);
  }
  process.stderr.write(`${elapsed()} s\n`);
  const head = `${machine()} ${elapsed()} seconds in all.`;
  const markdown = [head, tableOf(rows), ...notes].join('\n\n');
  const written = await writePage(markdown);
  await writeFile(PLOT, await drawGrowth(costs));
  return { rows, text: written };
}

/** Undefined where there is no time left for it. */
async function run({ argv, read }: Step, msLeft: number): Promise<Findings | undefined> {
  if (msLeft <= 0) return undefined;
  await using resources = new AsyncDisposableStack();
  const bench = [join(import.meta.dirname, 'bench.ts'), ...argv, '--json'];
  const child = startProgram(bench, resources);
  const isOver = AbortSignal.timeout(Math.ceil(msLeft));
  isOver.addEventListener('abort', () => child.kill('SIGTERM'));
  const closed = once(child, 'close');
  const output = await text(child.stdout!);
  const [code, signal] = await closed;
  if (code === 0) {
    const lines = output.trim().split('\n');
    return read(lines.map((line) => JSON.parse(line)));
  }
  if (isOver.aborted) return undefined;
  const message = `Cannot measure ${argv.slice(1).join(' ')}: it ended with ${signal ?? code}`;
  throw new Failure(message, { exitCode: EXIT_FAILURE });
}

/** Between the marks; returns what has been written. */
async function writePage(markdown: string): Promise<string> {
  const page = await readFile(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) {
    throw new Failure(`Cannot write the table: ${PAGE} has no marks`, { exitCode: EXIT_FAILURE });
  }
  const options = { ...(await resolveConfig(PAGE)), parser: 'markdown' };
  const written = await format(markdown, options);
  await writeFile(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${written}\n${page.slice(end)}`);
  return written;
}
