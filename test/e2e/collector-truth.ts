/** The traffic of every path through the lab, and what a Collector has to write of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import type { Sample } from '../../src/telemetry/samples.ts';
import type { Cluster } from '../kernel/cluster.ts';
import { PATHS, openPath, rowsIn } from '../kernel/paths.ts';
import { type Labels, type Row, changes, clusterSum, merged, rowsOf } from '../kernel/rows.ts';

/** For some pushes, and for every place on the way that waits to send more at once. */
const PATIENCE_MS = 40_000;
const CHECK_MS = 100;
/** For whatever comes too often, or too late. */
const MORE_MS = 1500;

/** Labels as a pipeline leaves them; undefined where it drops the row. */
export type Shape = (labels: Labels) => Labels | undefined;

interface Output {
  /** What has come out at the end. */
  readonly samples: () => readonly Sample[] | Promise<readonly Sample[]>;
  readonly shape?: Shape;
}

/**
 * Opens connections on every path and closes them; each time what comes out must become the truth, and stay so. Agents must have their baseline, and push to a Collector that is there.
 */
export async function comparePaths(
  t: Test,
  { agents, traffic }: Pick<Cluster, 'agents' | 'traffic'>,
  outputs: readonly Output[],
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
  { samples, shape = (labels) => labels }: Output,
  truth: { readonly state: string; readonly baseline: readonly Row[]; readonly opened: number },
): Promise<void> {
  const shaped = (rows: readonly Row[]): readonly Row[] =>
    merged(
      rows.flatMap((row) => {
        const labels = shape(row.labels);
        return labels === undefined ? [] : [{ ...row, labels }];
      }),
    );
  const shown = async () => changes(rowsOf(await samples()), shaped(truth.baseline));
  const expected = shaped(PATHS.flatMap(({ tables }) => rowsIn(truth.state, tables)));
  const endMs = performance.now() + PATIENCE_MS;
  while (!isDeepStrictEqual(await shown(), expected) && performance.now() < endMs)
    await delay(CHECK_MS);
  await delay(MORE_MS);
  const rows = await shown();
  t.strictSame(rows, expected, `everything is ${truth.state}`);
  t.equal(clusterSum(rows).opened, truth.opened, 'each connection is counted once');
}
