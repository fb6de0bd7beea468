import { constants } from 'node:os';
import t from 'tap';
import { takeSnapshot } from '../../src/agent/take-snapshot.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import { CLOSED, OPENED } from '../../src/connections/measure.ts';
import type { Series } from '../../src/connections/series.ts';
import { Tally } from '../../src/connections/tally.ts';
import { ConntrackTable } from '../../src/conntrack/table.ts';
import { entriesOf, type Crowd } from '../bench/crowd-table.ts';
import { done, error, tableUse } from '../builders/ctnetlink.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';
import { countsOf, valueOf } from '../builders/series.ts';
import { fakeKernel, type Reception, type Request } from '../fakes/kernel.ts';

t.setTimeout(120_000);

/** More than a kernel has room for unless it is told to: its part is played by what it would send. */
const ENTRIES = 1_000_000;
/** Each is an edge. */
const CLIENTS = 20_000;
const SERIES_MAX = 10_000;
const GET = 0x101;
/** As much as the kernel puts into one. */
const DATAGRAM_BYTES = 32 * 1024;

const before: Crowd = { clients: CLIENTS, firstClient: 0, connections: ENTRIES / CLIENTS };
const after: Crowd = { ...before, firstClient: CLIENTS / 4 };

/** The datagrams of the first so many entries. */
function* datagramsOf(request: Request, crowd: Crowd, entries = ENTRIES): Generator<Uint8Array> {
  const bytes = new Uint8Array(DATAGRAM_BYTES);
  const view = new DataView(bytes.buffer);
  let length = 0;
  for (const entry of entriesOf(crowd).take(entries)) {
    if (length + entry.length > DATAGRAM_BYTES) {
      yield bytes.subarray(0, length);
      length = 0;
    }
    bytes.set(entry, length);
    view.setUint32(length + 8, request.sequence, true);
    view.setUint32(length + 12, request.portId, true);
    length += entry.length;
  }
  yield bytes.subarray(0, length);
}

type Dump = (request: Request) => Iterable<Reception>;

function* whole(request: Request, crowd: Crowd): Generator<Reception> {
  yield* datagramsOf(request, crowd);
  yield done(request);
}

function* cutOff(request: Request): Generator<Reception> {
  yield* datagramsOf(request, before, ENTRIES / 2);
  yield -constants.errno.EAGAIN;
}

const sum = (series: Iterable<Series<object>>, of: (one: Series<object>) => number) =>
  Array.from(series, of).reduce((total, value) => total + value, 0);

t.test(
  'a million entries are counted to the last one, and what is not whole not at all',
  async (t) => {
    const dumps: Dump[] = [
      (request) => [done(request)],
      cutOff,
      (request) => whole(request, before),
      (request) => whole(request, after),
    ];
    const table = new ConntrackTable(() =>
      fakeKernel((request) =>
        request.type === GET
          ? dumps.shift()!(request)
          : [tableUse(request, ENTRIES, ENTRIES), error(request, 0)],
      ),
    );
    let takenAtMs = 0;
    const inputs = {
      table,
      tally: new Tally({ seed: 1 }),
      hashBuckets: () => ENTRIES,
      timeouts: () => NO_TIMEOUTS,
      localAddresses: () => [],
      now: () => ++takenAtMs,
    };
    const ledger = new Ledger<object>({
      nodeName: 'node-a',
      seriesMax: SERIES_MAX,
      seriesTtlMs: 60_000,
      exclude: [],
      signals: [],
      describe: ({ source, destination, port }) => {
        return { source: source.address, destination: destination.address, port };
      },
      describeOverflow: (primary) => ({ primary }),
    });
    const counts = { opened: 0, closed: 0 };
    const look = () => {
      const snapshot = takeSnapshot(inputs);
      for (const _ of ledger.begin(snapshot)) continue;
      for (const _ of ledger.rename(() => undefined)) continue;
      const { series, ended } = ledger.commit();
      // What ended says no more; what is in overflow is in its series.
      counts.opened += sum(ended, (one) => valueOf(one, OPENED));
      counts.closed += sum(ended, (one) => valueOf(one, CLOSED));
      return {
        baseline: snapshot.baseline,
        entries: snapshot.entries,
        repeated: snapshot.repeated,
        opened: counts.opened + sum(series, (one) => valueOf(one, OPENED)),
        closed: counts.closed + sum(series, (one) => valueOf(one, CLOSED)),
        active: sum(series, (one) =>
          countsOf(one)
            .active.values()
            .reduce((a, b) => a + b, 0),
        ),
        series: sum(series, () => 1),
      };
    };
    t.match(look(), { baseline: true, entries: 0, series: 0 });
    const always = { baseline: false, entries: ENTRIES, active: ENTRIES, series: SERIES_MAX + 1 };
    t.strictSame(look(), { ...always, repeated: 1, opened: ENTRIES, closed: 0 });
    const moved = ENTRIES / 4;
    t.strictSame(look(), { ...always, repeated: 0, opened: ENTRIES + moved, closed: moved });
  },
);
