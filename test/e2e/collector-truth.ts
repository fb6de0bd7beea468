/** The traffic of every path through the lab, and what a Collector has to write of it. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import type { Cluster } from '../kernel/cluster.ts';
import { PATHS, openPath, rowsIn } from '../kernel/paths.ts';
import { type Labels, type Row, changes, clusterSum, merged, rowsOf } from '../kernel/rows.ts';
import { pointsIn, samplesOf } from './otlp-lines.ts';

/** For some pushes, and for every place on the way that waits to send more at once. */
const PATIENCE_MS = 40_000;
const CHECK_MS = 100;
const LINES_MORE = 3;

/** Labels as a pipeline leaves them; undefined where it drops the row. */
export type Shape = (labels: Labels) => Labels | undefined;

interface Expected {
  /** Where what has come out at the end is written. */
  readonly file: string;
  readonly shape?: Shape;
}

/**
 * Opens connections on every path and closes them; each time what is written to the files must become
 * the truth, and stay so. Agents must have their baseline, and push to a Collector that is there.
 */
export async function comparePaths(
  t: Test,
  { agents, traffic }: Pick<Cluster, 'agents' | 'traffic'>,
  outputs: readonly Expected[],
): Promise<void> {
  const baseline = (await agents.rows()).map((row) => ({ ...row, opened: 0, closed: 0 }));
  const open = [];
  for (const path of PATHS) open.push(...(await openPath(traffic, path)));
  const opened = open.length;
  const compareAll = async (state: string) =>
    Promise.all(outputs.map(async (output) => compare(t, output, { state, baseline, opened })));
  await compareAll('ESTABLISHED');
  for (const connection of open) await traffic.close(connection, 'orderly');
  for (const output of outputs) await compare(t, output, { state: 'TIME_WAIT', baseline, opened });
}

async function compare(
  t: Test,
  { file, shape = (labels) => labels }: Expected,
  truth: { readonly state: string; readonly baseline: readonly Row[]; readonly opened: number },
): Promise<void> {
  const shaped = (rows: readonly Row[]): readonly Row[] =>
    merged(
      rows.flatMap((row) => {
        const labels = shape(row.labels);
        return labels === undefined ? [] : [{ ...row, labels }];
      }),
    );
  const written = () => changes(rowsOf(samplesOf(pointsIn(file))), shaped(truth.baseline));
  const expected = shaped(PATHS.flatMap(({ tables }) => rowsIn(truth.state, tables)));
  await waitFor(() => isDeepStrictEqual(written(), expected));
  const lines = linesIn(file);
  await waitFor(() => linesIn(file) >= lines + LINES_MORE);
  t.strictSame(written(), expected, `everything is ${truth.state}`);
  t.equal(clusterSum(written()).opened, truth.opened, 'each connection is counted once');
}

async function waitFor(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!condition() && performance.now() < endMs) await delay(CHECK_MS);
}

function linesIn(file: string): number {
  return readFileSync(file, 'utf8').split('\n').length;
}
