import { LeakWatch } from '../../src/connections/leak-watch.ts';
import { activeIn } from '../../src/connections/measure.ts';
import { publicationOf, SeriesBuilder } from '../builders/series.ts';
import { scoreOf, WINDOW_MS } from '../builders/leak-trial.ts';
import { WORKLOADS } from '../builders/leak-workloads.ts';

/** One line of the result, of all trials of a workload; minutes are from the leak's beginning to the event. */
export interface TrialsResult {
  readonly scenario: string;
  readonly workload: string;
  readonly trials: number;
  readonly hours: number;
  readonly found: number | undefined;
  readonly false_alarms: number;
  readonly minutes_median: number | undefined;
  readonly minutes_p90: number | undefined;
  readonly minutes_most: number | undefined;
}

/** What the watch costs with as many histories as there may be, in a snapshot in which all are judged. */
export interface CostResult {
  readonly scenario: string;
  readonly series: number;
  readonly histories: number;
  readonly ms: number;
  /** Between two pauses. */
  readonly longest_block_ms: number;
}

const SERIES = 20_000;
const HISTORIES = 1000;
/** So many that every history is full. */
const SNAPSHOTS = 110;

/** How well leaks are told from what only looks like them, each workload so often with other numbers. */
export async function benchLeaks({
  rounds,
}: {
  readonly rounds: number;
}): Promise<(TrialsResult | CostResult)[]> {
  const cost = costOf();
  const trials = WORKLOADS.map((workload) => {
    const { hits, falseAlarms, minutesToEvent } = scoreOf(workload, rounds);
    const minutes = (part: number) => {
      const at = Math.min(minutesToEvent.length - 1, Math.floor(part * minutesToEvent.length));
      const value = minutesToEvent[at];
      return value === undefined ? undefined : Math.round(value);
    };
    return {
      scenario: 'leaks',
      workload: workload.name,
      trials: rounds,
      hours: workload.hours,
      found: workload.leaks ? hits : undefined,
      false_alarms: falseAlarms,
      minutes_median: minutes(0.5),
      minutes_p90: minutes(0.9),
      minutes_most: minutes(1),
    };
  });
  return [...trials, cost];
}

function costOf(): CostResult {
  const established = activeIn('ESTABLISHED');
  const all = Array.from({ length: SERIES }, (_, nth) => {
    const series = new SeriesBuilder({ labels: { src_app: `app-${nth}` } });
    series.set(established, nth < HISTORIES ? 50 : 5);
    return series;
  });
  const watch = new LeakWatch({ windowMs: WINDOW_MS, isJudged: () => true });
  const times: number[] = [];
  const blocks: number[] = [];
  for (let nth = 1; nth <= SNAPSHOTS; nth++) {
    for (const [at, series] of all.slice(0, HISTORIES).entries()) {
      series.set(established, 50 + (at % 7) * nth);
    }
    const began = performance.now();
    const looking = watch.look(publicationOf((nth * WINDOW_MS) / 12, ...all));
    let longest = 0;
    for (let done: boolean | undefined = false; done !== true;) {
      const blockBegan = performance.now();
      ({ done } = looking.next());
      longest = Math.max(longest, performance.now() - blockBegan);
    }
    times.push(performance.now() - began);
    blocks.push(longest);
  }
  return {
    scenario: 'leaks',
    series: SERIES,
    histories: HISTORIES,
    ms: Math.round(medianOfLast(times)),
    longest_block_ms: Math.round(10 * medianOfLast(blocks)) / 10,
  };
}

/** When all histories are full. */
function medianOfLast(values: readonly number[]): number {
  return values.slice(-10).toSorted((a, b) => a - b)[5] ?? 0;
}
