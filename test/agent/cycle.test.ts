import { createNoopLogger, type Attributes } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import t, { type Test } from 'tap';
import { Cycle } from '../../src/agent/cycle.ts';
import { NO_NAMES, type Names } from '../../src/agent/names.ts';
import { LeakWatch } from '../../src/connections/leak-watch.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import {
  FRESH,
  type AddressTakeover,
  type EdgeColumns,
  type Snapshot,
} from '../../src/connections/snapshot.ts';
import { connectionAttributes, overflowAttributes } from '../../src/telemetry/attributes.ts';
import { ConnectionProducer } from '../../src/telemetry/connection-producer.ts';
import { EventMetrics } from '../../src/telemetry/event-metrics.ts';
import { PrometheusPage } from '../../src/telemetry/prometheus-page.ts';
import { KernelMetrics } from '../../src/telemetry/kernel-metrics.ts';
import { LeakReport } from '../../src/telemetry/leak-report.ts';
import { SelfMetrics } from '../../src/telemetry/self-metrics.ts';
import { SimulatedTable, type Route } from '../builders/simulated-table.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import { linesOf } from '../fakes/page-lines.ts';

const webToApi: Route = { source: '10.1.0.1', destination: '10.2.0.1', port: 80 };
const { signal } = new AbortController();

/** Of twelve snapshots, one each second. */
const LEAK_WINDOW_MS = 12_000;

interface Outside {
  readonly take: () => Snapshot;
  readonly divide?: (takeovers: readonly AddressTakeover[]) => EdgeColumns;
  readonly names?: Names;
  /** What all snapshots have cost. */
  readonly cpuMs?: () => number;
  /** Is told what is published at that moment. */
  readonly save?: (publishedAtMs: number) => void;
}

/** A cycle with everything real but the kernel and the source of names. */
function createCycle({
  take,
  divide = notAsked,
  names = NO_NAMES,
  cpuMs = () => 0,
  save,
}: Outside) {
  const { log, lines } = capturedLog();
  const nodeName = 'node-a';
  const producer = new ConnectionProducer({ nodeName, version: '0.1.0' });
  const page = new PrometheusPage({ producer, pollIntervalMs: () => 1000, log });
  const provider = new MeterProvider({ readers: [page.reader] });
  const resets: unknown[] = [];
  const costsMs: number[] = [];
  const cycle = new Cycle({
    snapshots: {
      take: async () => take(),
      divide: async (takeovers) => divide(takeovers),
      reset: async () => void resets.push('reset'),
      get cpuMs() {
        return cpuMs();
      },
    },
    names,
    ledger: new Ledger<Attributes>({
      nodeName,
      seriesMax: 100,
      seriesTtlMs: 60_000,
      exclude: [],
      signals: ['orphaned'],
      describe: (edge) => connectionAttributes(edge, nodeName),
      describeOverflow: (primary) => overflowAttributes(nodeName, primary),
    }),
    leaks: {
      watch: new LeakWatch({ windowMs: LEAK_WINDOW_MS, isJudged: () => true }),
      report: new LeakReport({ logger: createNoopLogger(), otlpNames: 'khan', log }),
    },
    producer,
    metrics: new SelfMetrics(provider.getMeter('khan')),
    interval: { note: (costMs) => costsMs.push(costMs) },
    kernel: new KernelMetrics(provider.getMeter('khan'), { nodeName }),
    events: new EventMetrics(provider.getMeter('khan')),
    state: save && { save: async () => save(producer.takenAtMs) },
    log,
  });
  const values = async (metric: string) => linesOf(await page.render(), metric);
  return { cycle, producer, resets, costsMs, lines, values };
}

const warnings = (lines: ReturnType<typeof capturedLog>['lines']) =>
  lines.filter(({ level }) => level === 40).map(({ msg }) => msg);

function fail(message: string): never {
  throw new Error(message);
}

function notAsked(): never {
  return fail('nobody was to ask for this');
}

/** The steps one after the other; the last one for ever. */
function inTurn<T>(steps: (() => T)[]): () => T {
  return () => (steps.length > 1 ? steps.shift() : steps[0])!();
}

t.test('a tick publishes what the snapshot says and counts itself', async (t) => {
  const table = new SimulatedTable();
  let takenAtMs = 1000;
  const { cycle, producer, values } = createCycle({ take: () => table.snapshot(takenAtMs) });
  table.open(webToApi, { count: 2 });
  await cycle.tick(signal);
  t.equal(producer.takenAtMs, 1000);
  table.open(webToApi, { count: 3 });
  takenAtMs = 2000;
  await cycle.tick(signal);
  t.equal(producer.takenAtMs, 2000);
  t.match(await values('khan_connection_total'), [/src_ip="10\.1\.0\.1".* 3$/]);
  t.match(await values('khan_connection_active'), [/state="ESTABLISHED"} 5$/]);
  t.strictSame(await values('khan_agent_cycles_total'), [
    'khan_agent_cycles_total{result="failure"} 0',
    'khan_agent_cycles_total{result="success"} 2',
  ]);
});

t.test('a snapshot is saved before it is published', async (t) => {
  const table = new SimulatedTable();
  const takenAtMs = [1000, 2000, 3000];
  const publishedAtMs: number[] = [];
  const take = () => table.snapshot(takenAtMs.shift() ?? fail('no more'));
  const { cycle } = createCycle({ take, save: (atMs) => publishedAtMs.push(atMs) });
  for (let tick = 0; tick < 3; tick++) await cycle.tick(signal);
  t.strictSame(publishedAtMs, [Number.NEGATIVE_INFINITY, 1000, 2000]);
});

t.test('a snapshot that cannot be saved for good is not published', async (t) => {
  const table = new SimulatedTable();
  const save = inTurn([() => {}, () => fail('another agent writes there too'), () => {}]);
  const takenAtMs = [1000, 2000, 3000];
  const take = () => table.snapshot(takenAtMs.shift() ?? fail('no more'));
  const { cycle, producer, resets } = createCycle({ take, save });
  await cycle.tick(signal);
  await t.rejects(cycle.tick(signal), /another agent/);
  t.equal(producer.takenAtMs, 1000);
  t.strictSame(resets, ['reset']);
});

t.test('a leak is told once, and has a score on the page', async (t) => {
  const table = new SimulatedTable();
  let takenAtMs = 0;
  const take = () => table.snapshot((takenAtMs += 1000));
  const { cycle, lines, values } = createCycle({ take });
  table.open(webToApi, { count: 10 });
  const scores: (readonly string[])[] = [];
  // Nobody knows how idle they are: it takes eight windows.
  for (let nth = 0; nth < 110; nth++) {
    table.open(webToApi);
    await cycle.tick(signal);
    scores.push(await values('khan_connection_leak_score'));
  }
  t.strictSame(scores[10], [], 'none before the first window is over');
  t.match(scores[12], [/src_ip="10\.1\.0\.1".* 0$/]);
  t.match(scores.at(-1), [/src_ip="10\.1\.0\.1".* (?:1|0\.[789]\d*)$/]);
  const leak = { event: 'khan.connection.leak', leak_state: 'began', leak_reason: 'growth' };
  const told = lines.filter(({ level }) => level === 40);
  t.match(told, [{ ...leak, msg: /^10\.1\.0\.1 leaks 60 connections a minute/ }]);
});

t.test('a failed take is thrown on and counted, and what was published stays', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const take = inTurn([
    () => table.snapshot(1000),
    () => fail('the dump was cut off'),
    () => table.snapshot(3000),
  ]);
  const { cycle, producer, resets, values } = createCycle({ take });
  await cycle.tick(signal);
  const published = await values('khan_connection_active');
  t.equal(published.length, 1);

  table.open(webToApi);
  await t.rejects(cycle.tick(signal), { message: 'the dump was cut off' });
  t.strictSame(await values('khan_connection_active'), published);
  t.equal(producer.takenAtMs, 1000);
  t.strictSame(await values('khan_agent_cycles_total'), [
    'khan_agent_cycles_total{result="failure"} 1',
    'khan_agent_cycles_total{result="success"} 1',
  ]);

  // The source of snapshots knows what it has handed over: nothing is lost, and no baseline follows.
  t.strictSame(resets, []);
  await cycle.tick(signal);
  t.match(await values('khan_connection_total'), [/ 1$/]);
});

t.test('a snapshot that was taken but not published makes the next one a baseline', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const resolve = inTurn([
    async () => {},
    async () => fail('the inventory file is gone'),
    async () => {},
  ]);
  let takenAtMs = 0;
  const { cycle, producer, resets, values } = createCycle({
    take: () => table.snapshot((takenAtMs += 1000)),
    names: { ...NO_NAMES, resolve },
  });
  await cycle.tick(signal);
  table.open(webToApi);
  await t.rejects(cycle.tick(signal), { message: 'the inventory file is gone' });
  t.strictSame(resets, ['reset']);
  t.equal(producer.takenAtMs, 1000);
  t.match(await values('khan_connection_active'), [/ 1$/]);

  table.restart();
  await cycle.tick(signal);
  t.match(await values('khan_connection_active'), [/ 2$/]);
  t.match(await values('khan_connection_total'), [/ 0$/], 'nobody knows whether it was new');
  table.open(webToApi);
  await cycle.tick(signal);
  t.match(await values('khan_connection_total'), [/ 1$/]);
});

t.test('what a tick costs is told, of one that fails too', async (t) => {
  const table = new SimulatedTable();
  let spentMs = 1000;
  const take = inTurn([
    () => {
      spentMs += 40;
      return table.snapshot(1000);
    },
    () => {
      spentMs += 7;
      return fail('the dump was cut off');
    },
  ]);
  const { cycle, costsMs } = createCycle({ take, cpuMs: () => spentMs });
  await cycle.tick(signal);
  await t.rejects(cycle.tick(signal), { message: 'the dump was cut off' });
  t.equal(costsMs.length, 2);
  t.ok(costsMs[0]! > 40, 'the dump, and naming and publishing what it says');
  t.equal(costsMs[1], 7);
});

t.test('what runs beside a tick is no part of its cost', async (t) => {
  const table = new SimulatedTable();
  const names: Names = {
    ...NO_NAMES,
    async resolve() {
      const before = process.threadCpuUsage();
      while (process.threadCpuUsage(before).user < 50_000);
    },
  };
  const { cycle, costsMs } = createCycle({ take: () => table.snapshot(1000), names });
  const before = process.threadCpuUsage();
  await cycle.tick(signal);
  const { user, system } = process.threadCpuUsage(before);
  const [costMs = 0] = costsMs;
  t.ok(costMs <= (user + system) / 1000 - 50, `${costMs} ms`);
});

t.test('an empty table is warned of once, and again after it had entries', async (t) => {
  const table = new SimulatedTable();
  let takenAtMs = 0;
  const { cycle, lines } = createCycle({ take: () => table.snapshot((takenAtMs += 1000)) });
  await cycle.tick(signal);
  await cycle.tick(signal);
  t.match(warnings(lines), [/^The connection tracking table is empty: no rule here asks for/]);
  table.open(webToApi);
  await cycle.tick(signal);
  t.equal(warnings(lines).length, 1);
  table.close(webToApi);
  await cycle.tick(signal);
  await cycle.tick(signal);
  t.equal(warnings(lines).length, 2);
});

t.test('a kernel without ctnetlink is told from a table that nobody fills', async (t) => {
  const table = new SimulatedTable();
  const take = () => ({ ...table.snapshot(1000), available: false });
  const { cycle, lines } = createCycle({ take });
  await cycle.tick(signal);
  t.match(warnings(lines), [/^The connection tracking table is empty: the kernel has no nf_/]);
});

/** A source of names that is silent until it is told to stop. */
function silentNames(): Names & { readonly asked: readonly string[][] } {
  const asked: string[][] = [];
  return {
    ...NO_NAMES,
    asked,
    async resolve(addresses, options) {
      asked.push([...addresses]);
      const stopped = Promise.withResolvers<void>();
      options.signal.addEventListener('abort', () => stopped.resolve());
      if (!options.signal.aborted) await stopped.promise;
    },
  };
}

/** What AbortSignal.timeout() is asked for; its signals abort when told to. */
function captureTimeouts(t: Test) {
  const timeout = new AbortController();
  const calls = t.capture(AbortSignal, 'timeout', () => timeout.signal);
  return { timeout, asked: () => calls().map(({ args }) => args) };
}

t.test('names that do not come are waited for for 2 s, then addresses do', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const names = silentNames();
  const { timeout, asked } = captureTimeouts(t);
  const { cycle, producer, values } = createCycle({ take: () => table.snapshot(1000), names });
  const ticking = cycle.tick(signal);
  while (names.asked.length === 0) await new Promise(setImmediate);
  t.strictSame(names.asked, [[webToApi.source, webToApi.destination]]);
  t.strictSame(asked(), [[2000]]);
  t.equal(producer.takenAtMs, Number.NEGATIVE_INFINITY, 'nothing is published yet');
  timeout.abort();
  await ticking;
  t.match(await values('khan_connection_active'), [/src_ip="10\.1\.0\.1",dst_ip="10\.2\.0\.1"/]);
});

t.test('an agent that has to end does not wait for names', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const names = silentNames();
  captureTimeouts(t);
  const stop = new AbortController();
  const { cycle, values } = createCycle({ take: () => table.snapshot(1000), names });
  const ticking = cycle.tick(stop.signal);
  while (names.asked.length === 0) await new Promise(setImmediate);
  stop.abort();
  await ticking;
  t.match(await values('khan_connection_active'), [/ 1$/], 'what was counted is published');
});

t.test('a tick publishes the names that are known', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const identity = { type: 'pod', name: 'web-0', node: 'node-a' } as const;
  const names: Names = {
    ...NO_NAMES,
    identityOf: (address) => (address === webToApi.source ? identity : undefined),
  };
  const { cycle, values } = createCycle({ take: () => table.snapshot(1000), names });
  await cycle.tick(signal);
  t.match(await values('khan_connection_active'), [/src_type="pod".*src_name="web-0"/]);
});

t.test('a tick publishes that the owner of an address has ended', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const names: Names = { ...NO_NAMES, hasEnded: (address) => address === webToApi.source };
  const { cycle, values } = createCycle({ take: () => table.snapshot(1000), names });
  await cycle.tick(signal);
  t.match(await values('khan_connection_orphaned'), [/ 1$/]);
});

/** Says of every snapshot that the address has another owner since the epoch. */
const takenOver: Names = {
  ...NO_NAMES,
  takeovers: () => [
    [webToApi.source, { sinceMs: 7, previous: { type: 'pod', name: 'web-0', node: 'node-a' } }],
  ],
};

t.test('a snapshot is divided once for each takeover, before anything is named', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const asked: (readonly AddressTakeover[])[] = [];
  let taken: Snapshot | undefined;
  const { cycle, values } = createCycle({
    take: () => (taken = { ...table.snapshot(1000), timestamped: true }),
    divide(takeovers) {
      asked.push(takeovers);
      const edges = structuredClone(taken!.edges);
      edges.fresh[FRESH.sourceTakeover] = takeovers[0]!.number;
      return edges;
    },
    names: takenOver,
  });
  await cycle.tick(signal);
  t.strictSame(asked, [[{ number: 1, address: webToApi.source, sinceMs: 7 }]]);
  t.match(await values('khan_connection_active'), [/src_name="web-0".* 1$/]);
  await cycle.tick(signal);
  t.equal(asked.length, 1);
});

t.test('a division that fails makes the next snapshot a baseline, divided again', async (t) => {
  const table = new SimulatedTable();
  table.open(webToApi);
  const asked: unknown[] = [];
  let taken: Snapshot | undefined;
  const divide = inTurn([() => fail('the worker died'), () => structuredClone(taken!.edges)]);
  const { cycle, resets } = createCycle({
    take: () => (taken = { ...table.snapshot(1000), timestamped: true }),
    divide(takeovers) {
      asked.push(takeovers);
      return divide();
    },
    names: takenOver,
  });
  await t.rejects(cycle.tick(signal), { message: 'the worker died' });
  t.strictSame(resets, ['reset']);
  table.restart();
  await cycle.tick(signal);
  t.equal(asked.length, 2);
});

t.test('lost events are said once, counted, and so is that they are followed again', async (t) => {
  const table = new SimulatedTable();
  const follows = {
    isFollowing: true,
    areEventsOff: false,
    received: 3,
    malformed: 1,
    overflows: 0,
    pausedMs: 0,
  };
  const lost = { ...follows, isFollowing: false, overflows: 1, pausedMs: 250 };
  const paused = { ...lost, received: 0, malformed: 0, overflows: 0, pausedMs: 1000 };
  const reports = [follows, lost, paused, follows, follows];
  const take = inTurn(reports.map((events) => () => ({ ...table.snapshot(1000), events })));
  const { cycle, lines, values } = createCycle({ take });
  table.open(webToApi);
  const followed: string[] = [];
  for (const _ of reports) {
    await cycle.tick(signal);
    followed.push(...(await values('khan_agent_events_followed')));
  }
  const said = lines.filter(({ msg }) => msg.startsWith('Events'));
  t.match(said, [
    { level: 40, msg: /were lost: connections that no snapshot sees are missed/ },
    { level: 30, msg: /are followed again/ },
  ]);
  t.strictSame(
    followed.map((line) => line.at(-1)),
    ['1', '0', '0', '1', '1'],
  );
  for (const [metric, value] of [
    ['khan_agent_events_total', 12],
    ['khan_agent_event_overflows_total', 1],
    ['khan_agent_events_paused_seconds_total', 1.25],
    ['khan_agent_malformed_messages_total', 4],
  ]) {
    t.strictSame(await values(String(metric)), [`${metric} ${value}`]);
  }
});

t.test('a kernel that tells of no events is said once', async (t) => {
  const table = new SimulatedTable();
  const off = {
    isFollowing: false,
    areEventsOff: true,
    received: 0,
    malformed: 0,
    overflows: 0,
    pausedMs: 0,
  };
  const { cycle, lines } = createCycle({ take: () => ({ ...table.snapshot(1000), events: off }) });
  table.open(webToApi);
  for (const _ of [1, 2]) await cycle.tick(signal);
  t.strictSame(warnings(lines), [
    'The kernel tells of no events: net.netfilter.nf_conntrack_events is 0',
  ]);
});
