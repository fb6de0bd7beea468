import { LeakWatch, type LeakEvent } from '../../src/connections/leak-watch.ts';
import { Random } from './random.ts';
import { publicationOf, SeriesBuilder } from './series.ts';
import { HOUR_MS, MINUTE_MS, SimulatedConnections } from './simulated-connections.ts';
import type { Workload } from './leak-workloads.ts';

export const WINDOW_MS = 30 * MINUTE_MS;
const POLL_MS = 30_000;
const JITTER_MS = 2000;
const MISSING = 0.03;
/** Before the first look, so that there are connections as in the middle of a day. */
const BEFORE_MS = 3 * HOUR_MS;

interface Trial {
  readonly events: readonly LeakEvent<object>[];
  readonly leaksFromMs: number | undefined;
}

/** Hours of one workload in the eyes of a watch; polls are a little late, and some are missing. */
function playWorkload(workload: Workload, seed: number): Trial {
  const random = new Random(seed);
  const connections = new SimulatedConnections();
  const { leaksFromMs, step } = workload.begin(connections, random);
  const watch = new LeakWatch({ windowMs: WINDOW_MS, isJudged: () => true });
  const series = new SeriesBuilder({ publishedAtMs: 0 });
  const events: LeakEvent<object>[] = [];
  for (let atMs = -BEFORE_MS; atMs < workload.hours * HOUR_MS; atMs += POLL_MS) {
    const nowMs = atMs + random.between(0, JITTER_MS);
    connections.advance(nowMs);
    step(POLL_MS);
    if (atMs < 0 || random.next() < MISSING) continue;
    connections.show(series);
    events.push(...lookAt(watch, nowMs, series));
  }
  return { events, leaksFromMs };
}

function lookAt(watch: LeakWatch<object>, nowMs: number, series: SeriesBuilder) {
  const looking = watch.look(publicationOf(nowMs, series));
  for (;;) {
    const { done, value } = looking.next();
    if (done === true) return value.events;
  }
}

export interface Score {
  readonly workload: string;
  readonly leaks: boolean;
  readonly trials: number;
  /** Trials with an event after the leak began. */
  readonly hits: number;
  /** Trials with an event while nothing leaked. */
  readonly falseAlarms: number;
  /** From the leak's beginning to the event, sorted. */
  readonly minutesToEvent: readonly number[];
}

export function scoreOf(workload: Workload, trials: number): Score {
  let hits = 0;
  let falseAlarms = 0;
  const minutesToEvent: number[] = [];
  for (let seed = 1; seed <= trials; seed++) {
    const { events, leaksFromMs = Infinity } = playWorkload(workload, seed);
    const began = events.filter(({ kind }) => kind === 'began');
    if (began.some(({ atMs }) => atMs < leaksFromMs)) falseAlarms++;
    const hit = began.find(({ atMs }) => atMs >= leaksFromMs);
    if (hit !== undefined) {
      hits++;
      minutesToEvent.push((hit.atMs - leaksFromMs) / MINUTE_MS);
    }
  }
  minutesToEvent.sort((a, b) => a - b);
  return {
    workload: workload.name,
    leaks: workload.leaks,
    trials,
    hits,
    falseAlarms,
    minutesToEvent,
  };
}
