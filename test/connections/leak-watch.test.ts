import t from 'tap';
import { LeakWatch, type LeakEvent } from '../../src/connections/leak-watch.ts';
import { activeIn, CLOSED, HALF_CLOSED, IDLE, OPENED } from '../../src/connections/measure.ts';
import type { Gauge } from '../../src/connections/series.ts';
import { SeriesBuilder } from '../builders/series.ts';

/** A point of a window of 12 minutes, and so long a snapshot. */
const MINUTE_MS = 60_000;
const WINDOW_MS = 12 * MINUTE_MS;

interface Look {
  readonly gauges: readonly Gauge<object>[];
  readonly events: readonly LeakEvent<object>[];
}

function isJudged(labels: object): boolean {
  return !('strangers' in labels);
}

/** A watch, and series that it looks at every minute. */
class Minutes {
  readonly watch: LeakWatch<object>;
  readonly series: SeriesBuilder[];
  now = 0;

  constructor(series: SeriesBuilder[], options: { historiesMax?: number } = {}) {
    this.series = series;
    this.watch = new LeakWatch({ windowMs: WINDOW_MS, isJudged, ...options });
  }

  look(ended: readonly SeriesBuilder[] = []): Look {
    this.now += MINUTE_MS;
    const { now: takenAtMs, series } = this;
    const looking = this.watch.look({ takenAtMs, series, gauges: [], durations: [], ended });
    for (;;) {
      const { done, value } = looking.next();
      if (done === true) return value;
    }
  }

  /** So many minutes; before each look the series change. */
  pass(minutes: number, change: () => void = () => {}): Look[] {
    return Array.from({ length: minutes }, () => {
      change();
      return this.look();
    });
  }
}

function client(app: string, open = 20, labels: object = {}): SeriesBuilder {
  const series = new SeriesBuilder({ labels: { src_app: app, ...labels } });
  series.set(activeIn('ESTABLISHED'), open);
  return series;
}

function grow(
  series: SeriesBuilder,
  by: number,
  measures = [activeIn('ESTABLISHED'), IDLE[2]!],
): void {
  for (const measure of [...measures, OPENED]) {
    const at = series.measures.indexOf(measure);
    series.set(measure, (at < 0 ? 0 : series.values[at]!) + by);
  }
}

function eventsOf(looks: readonly Look[]) {
  return looks.flatMap(({ events }) => events);
}

t.test('an account that leaks is told once, and once that it is over', async (t) => {
  const [cart, web] = [client('cart'), client('web', 50)];
  const minutes = new Minutes([cart, web]);
  minutes.pass(20);
  const began = minutes.pass(40, () => grow(cart, 3));
  const [event, ...others] = eventsOf(began);
  t.match(event, {
    kind: 'began',
    labels: { src_app: 'cart' },
    verdict: { reason: 'idle', ratePerMinute: 3, closedBy: undefined },
  });
  t.strictSame(others, []);
  t.equal(event?.sinceMs, 20 * MINUTE_MS, 'since the last minute without');
  const ended = eventsOf(minutes.pass(40));
  t.match(ended, [{ kind: 'ended', labels: { src_app: 'cart' }, sinceMs: event?.sinceMs }]);
});

t.test('a score between the thresholds changes nothing', async (t) => {
  const cart = client('cart');
  const minutes = new Minutes([cart]);
  // Half of what is needed in a window, but in eight of them it is enough for the other way to leak.
  const looks = minutes.pass(70, () => grow(cart, 0.5));
  const scores = looks.flatMap(({ gauges }) => gauges.map(({ value }) => value));
  t.ok(scores.some((score) => score > 0.3 && score < 0.7));
  t.strictSame(eventsOf(looks), []);
});

t.test('a leak that slows down is not over', async (t) => {
  const cart = client('cart');
  const minutes = new Minutes([cart]);
  t.equal(eventsOf(minutes.pass(30, () => grow(cart, 3))).length, 1);
  const looks = minutes.pass(45, () => grow(cart, 1.6));
  t.ok(looks.at(-1)?.gauges.every(({ value }) => value > 0.3 && value < 0.7));
  t.strictSame(eventsOf(looks), []);
});

t.test(
  'the score is told from the first window on, of accounts with ten connections',
  async (t) => {
    const [cart, small] = [client('cart', 10), client('small', 9)];
    const strangers = client('', 500, { strangers: true });
    const minutes = new Minutes([cart, small, strangers]);
    t.strictSame(
      minutes.pass(11).flatMap(({ gauges }) => gauges),
      [],
    );
    const [last] = minutes.pass(1);
    t.match(last?.gauges, [{ series: cart, measure: { signal: 'leak_score' }, value: 0 }]);
    t.equal(last?.gauges.length, 1);
  },
);

t.test('busy connections that grow are a leak after eight windows', async (t) => {
  const cart = client('cart');
  const minutes = new Minutes([cart]);
  const looks = minutes.pass(110, () => grow(cart, 1, [activeIn('ESTABLISHED')]));
  const [event] = eventsOf(looks);
  t.match(event, { kind: 'began', verdict: { reason: 'growth', idleShare: 0 } });
  t.ok((event?.atMs ?? 0) > 80 * MINUTE_MS);
});

t.test(
  'half-closed connections that stay are a leak without growth, and whose is told',
  async (t) => {
    const cart = client('cart');
    cart.set(activeIn('CLOSE_WAIT'), 30);
    cart.set(HALF_CLOSED[1]!, 30);
    const minutes = new Minutes([cart]);
    let closed = 0;
    const [event] = eventsOf(minutes.pass(20, () => cart.set(CLOSED, (closed += 30))));
    t.match(event?.verdict, {
      reason: 'half_closed',
      open: 50,
      halfClosedShare: 0.6,
      closedBy: 'server',
    });

    const quick = client('quick');
    quick.set(activeIn('CLOSE_WAIT'), 30);
    quick.set(HALF_CLOSED[0]!, 30);
    const busy = new Minutes([quick]);
    const looks = busy.pass(20, () => quick.set(CLOSED, (closed += 1800)));
    const scores = looks.flatMap(({ gauges }) => gauges.map(({ value }) => value));
    t.strictSame(new Set(scores), new Set([0]), 'where they are closed in a second');
  },
);

t.test('a leak whose account ends or becomes small is over', async (t) => {
  for (const end of ['ended', 'small']) {
    const cart = client('cart');
    const minutes = new Minutes([cart]);
    t.equal(eventsOf(minutes.pass(30, () => grow(cart, 3))).length, 1);
    minutes.series.length = 0;
    if (end === 'small') cart.set(activeIn('ESTABLISHED'), 4);
    t.match(minutes.look(end === 'ended' ? [cart] : []), {
      gauges: [],
      events: [{ kind: 'ended' }],
    });
  }
});

t.test('above the limit of histories the largest accounts have them', async (t) => {
  const [small, large, medium] = [client('s', 10), client('l', 30), client('m', 20)];
  const minutes = new Minutes([small, large, medium], { historiesMax: 2 });
  const told = () =>
    minutes
      .pass(15)
      .at(-1)
      ?.gauges.map(({ series }) => series);
  t.strictSame(told(), [large, medium]);
  large.set(activeIn('ESTABLISHED'), 4);
  t.strictSame(told(), [medium, small], 'a place that is free is taken');
});

t.test('what one snapshot does not tell of many leaks the next ones do', async (t) => {
  const all = Array.from({ length: 50 }, (_, nth) => client(`app-${nth}`));
  const minutes = new Minutes(all);
  const counts = minutes
    .pass(30, () => {
      for (const one of all) grow(one, 3);
    })
    .map(({ events }) => events.length)
    .filter((count) => count > 0);
  t.strictSame(counts, [20, 20, 10]);
});

t.test('a clock that is set back begins the history anew', async (t) => {
  const minutes = new Minutes([client('cart')]);
  minutes.pass(30);
  minutes.now -= 10 * MINUTE_MS;
  const counts = minutes.pass(13).map(({ gauges }) => gauges.length);
  t.strictSame(counts, [1, ...Array.from({ length: 10 }, () => 0), 1, 1]);
});
