import { LeakHistory } from './leak-history.ts';
import { leakSampleOf, openOf } from './leak-sample.ts';
import { judge, type LeakVerdict } from './leak-verdict.ts';
import { LEAK_SCORE } from './measure.ts';
import type { Gauge, Publication, Series } from './series.ts';

/** With fewer open connections nobody is harmed, and one more or less is a tenth. */
const OPEN_MIN = 10;
const HISTORIES_MAX = 1000;
/** Histories looked at between two pauses of {@link LeakWatch.look}. */
const SLICE_HISTORIES = 50;
/** Of one snapshot; the others are told with the next. */
const EVENTS_MAX = 20;
/** Between them the last event holds. */
const LEAKS_FROM = 0.7;
const LEAKS_NO_MORE_BELOW = 0.3;
/** Verdicts in a row that an event needs. */
const VERDICTS = 3;

/** Told when a series has begun to leak, and when that is over. */
export interface LeakEvent<Labels> {
  readonly kind: 'began' | 'ended';
  readonly labels: Labels;
  readonly atMs: number;
  readonly sinceMs: number;
  /** The last one there was. */
  readonly verdict: LeakVerdict;
}

export interface LeakFindings<Labels> {
  readonly gauges: readonly Gauge<Labels>[];
  readonly events: readonly LeakEvent<Labels>[];
}

interface Watched {
  readonly history: LeakHistory;
  verdict: LeakVerdict | undefined;
  /** Verdicts in a row that contradict the last event. */
  contradicting: number;
  /** Since when, while it leaks, or is about to: kept, because the history forgets it. */
  sinceMs: number | undefined;
  leaks: boolean;
}

interface LeakWatchOptions<Labels> {
  readonly windowMs: number;
  /** Whether these connections have one owner at all: of many strangers none leaks. */
  readonly isJudged: (labels: Labels) => boolean;
  readonly historiesMax?: number;
}

/**
 * Looks at the series of each publication for leaks. A series has a history from ten open connections on,
 * until it has less than half as many; when 1,000 have one, of the others those with the most connections
 * take the places that become free.
 */
export class LeakWatch<Labels extends object> {
  readonly #options: Required<LeakWatchOptions<Labels>>;
  readonly #watched = new Map<Series<Labels>, Watched>();

  constructor(options: LeakWatchOptions<Labels>) {
    this.#options = { historiesMax: HISTORIES_MAX, ...options };
  }

  /** A generator that yields every few milliseconds; it must be run to its end. */
  *look(publication: Publication<Labels>): Generator<void, LeakFindings<Labels>> {
    const { takenAtMs } = publication;
    const gauges: Gauge<Labels>[] = [];
    const events: LeakEvent<Labels>[] = [];
    this.#forget(publication, events);
    yield;
    this.#admit(publication);
    yield;
    let looked = 0;
    for (const [series, watched] of this.#watched) {
      if (watched.history.add(leakSampleOf(series, takenAtMs))) {
        watched.verdict = judge(watched.history);
        weigh(watched);
      }
      const { verdict } = watched;
      if (verdict !== undefined) {
        gauges.push({ series, measure: LEAK_SCORE, value: verdict.score });
        if (watched.contradicting >= VERDICTS && events.length < EVENTS_MAX) {
          events.push(turn(watched, { verdict, labels: series.labels, atMs: takenAtMs }));
        }
      }
      if (++looked % SLICE_HISTORIES === 0) yield;
    }
    return { gauges, events };
  }

  /** Those that ended or became small; what cannot be told of them now is not told. */
  #forget({ ended, takenAtMs }: Publication<Labels>, events: LeakEvent<Labels>[]): void {
    const gone = new Set(ended);
    for (const [series, watched] of this.#watched) {
      if (!gone.has(series) && openOf(series) >= OPEN_MIN / 2) continue;
      this.#watched.delete(series);
      const { verdict, leaks } = watched;
      if (!leaks || verdict === undefined || events.length >= EVENTS_MAX) continue;
      events.push(turn(watched, { verdict, labels: series.labels, atMs: takenAtMs }));
    }
  }

  #admit({ series }: Publication<Labels>): void {
    const { historiesMax, isJudged, windowMs } = this.#options;
    const candidates: { readonly one: Series<Labels>; readonly open: number }[] = [];
    for (const one of series) {
      if (this.#watched.has(one)) continue;
      const open = openOf(one);
      if (open >= OPEN_MIN && isJudged(one.labels)) candidates.push({ one, open });
    }
    const places = historiesMax - this.#watched.size;
    if (candidates.length > places) candidates.sort((a, b) => b.open - a.open);
    for (const { one } of candidates.slice(0, places)) {
      this.#watched.set(one, {
        history: new LeakHistory({ windowMs }),
        verdict: undefined,
        contradicting: 0,
        sinceMs: undefined,
        leaks: false,
      });
    }
  }
}

function weigh(watched: Watched): void {
  const { verdict, leaks } = watched;
  if (verdict === undefined) return;
  const { score, sinceMs } = verdict;
  if (score >= LEAKS_NO_MORE_BELOW) watched.sinceMs ??= sinceMs;
  else if (!leaks) watched.sinceMs = undefined;
  const contradicts = leaks ? score < LEAKS_NO_MORE_BELOW : score >= LEAKS_FROM;
  watched.contradicting = contradicts ? watched.contradicting + 1 : 0;
}

function turn<Labels>(
  watched: Watched,
  { verdict, ...about }: Pick<LeakEvent<Labels>, 'labels' | 'atMs' | 'verdict'>,
): LeakEvent<Labels> {
  const sinceMs = watched.sinceMs ?? verdict.sinceMs;
  watched.leaks = !watched.leaks;
  watched.contradicting = 0;
  if (!watched.leaks) watched.sinceMs = undefined;
  return { kind: watched.leaks ? 'began' : 'ended', ...about, sinceMs, verdict };
}
