import { setTimeout as delay } from 'node:timers/promises';
import type { Attributes, Meter } from '@opentelemetry/api';
import { LeakWatch } from '../connections/leak-watch.ts';
import { Ledger } from '../connections/ledger.ts';
import { every, Pulse } from '../runtime/every.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { sendText, startHttpServer, type Handler, type Routes } from '../runtime/http-server.ts';
import type { Log } from '../runtime/log.ts';
import { keepHeapSmall } from '../runtime/small-heap.ts';
import {
  connectionAttributes,
  durationAttributes,
  overflowAttributes,
} from '../telemetry/attributes.ts';
import { ConnectionProducer } from '../telemetry/connection-producer.ts';
import { LeakReport } from '../telemetry/leak-report.ts';
import { startTelemetry, type Telemetry } from '../telemetry/meter-provider.ts';
import { OriginalPage } from '../telemetry/original-page.ts';
import { readOtelSettings, type OtelSettings } from '../telemetry/otel-settings.ts';
import { PrometheusPage } from '../telemetry/prometheus-page.ts';
import { EventMetrics } from '../telemetry/event-metrics.ts';
import { ATTRIBUTE } from '../telemetry/names.ts';
import { observeMapping, QuestionMetrics } from '../telemetry/mapping-metrics.ts';
import { KernelMetrics } from '../telemetry/kernel-metrics.ts';
import {
  observePollInterval,
  observeSnapshotTime,
  SelfMetrics,
} from '../telemetry/self-metrics.ts';
import { beginAgent, type BegunAgent } from './begin-agent.ts';
import type { AgentSettings } from './config.ts';
import { ControllerNames } from './controller-names.ts';
import { Cycle } from './cycle.ts';
import { NO_NAMES, type Names } from './names.ts';
import { PollInterval } from './poll-interval.ts';

/** For the last push; the rest of the two seconds that an end may take is for everything else. */
const LAST_PUSH_TIMEOUT_MS = 1_200;
/** Alive is who began a tick within one and a half periods, or within this if that is longer. */
const LIVENESS_MS_MIN = 60_000;

export interface AgentOptions {
  readonly settings: AgentSettings;
  /** Of khan. */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

/**
 * Runs the agent that has begun until the signal is aborted; with `once`, until it has printed its page. Throws a
 * Failure when it cannot do its work.
 */
export async function runAgent(options: AgentOptions, begun: BegunAgent): Promise<void> {
  const { settings, env, signal, print } = options;
  // Its worker may be in a system call, and a process that exits meanwhile aborts.
  await using resources = new AsyncDisposableStack();
  resources.use(begun.snapshots);
  if (!settings.once) {
    const otel = readOtelSettings(env);
    await using agent = await createAgent(options, otel, begun);
    await serve(agent, options, otel);
    return;
  }
  await using agent = await createAgent(options, readOtelSettings({}), begun);
  await agent.cycle.tick(signal);
  try {
    await delay(settings['poll-interval'], undefined, { signal });
  } catch (cause) {
    const message = 'Cannot take the second snapshot: told to end before';
    throw new Failure(message, { exitCode: EXIT_FAILURE, cause });
  }
  await agent.cycle.tick(signal);
  print(await agent.page.render());
}

interface Agent extends AsyncDisposable {
  readonly cycle: Cycle;
  readonly interval: PollInterval;
  readonly producer: ConnectionProducer;
  readonly page: PrometheusPage;
}

/** The agent without its server: what `runAgent` runs, and what is measured. */
export async function createAgent(
  options: Pick<AgentOptions, 'settings' | 'version' | 'log'>,
  otel: OtelSettings,
  { state, snapshots }: BegunAgent = beginAgent(options),
): Promise<Agent> {
  const { settings, version, log } = options;
  const nodeName = settings['node-name'];
  await using setup = new AsyncDisposableStack();
  setup.use(snapshots);
  const producer = new ConnectionProducer({ nodeName, version });
  const interval = new PollInterval({
    setMs: settings['poll-interval'],
    cpuShareMax: settings['cpu-share-max'] / 100,
    log,
  });
  const page = new PrometheusPage({
    producer,
    pollIntervalMs: () => interval.inForceMs,
    createdTimestamps: settings['created-timestamps'],
    log,
  });
  const choice = {
    groups: settings['attribute-groups'],
    dropped: settings['drop-attributes'],
    externalPrefix: settings['external-prefix'],
  };
  const describeOverflow = (primary: boolean) => overflowAttributes(nodeName, primary, choice);
  const telemetry = await startTelemetry({
    settings: otel,
    otlpNames: settings['otlp-names'],
    nodeName,
    serviceName: 'khan-agent',
    serviceVersion: version,
    producer,
    describeOverflow,
    events: settings.signals.includes('leak_score'),
    page,
    instanceId: state?.instanceId,
    log,
  });
  if (state !== undefined) setup.defer(() => state.saveLast());
  setup.defer(() => telemetry.shutdown({ timeoutMs: LAST_PUSH_TIMEOUT_MS }));
  const { meter, push } = telemetry;
  observeSnapshotTime(meter, () => producer.takenAtMs);
  observePollInterval(meter, interval);
  const names = await namesFrom(settings, { resources: setup, meter, log });
  const ledger = new Ledger({
    nodeName,
    seriesMax: settings['series-max'],
    seriesTtlMs: settings['series-ttl'],
    exclude: settings.exclude,
    signals: settings.signals,
    describe: (edge) => connectionAttributes(edge, nodeName, choice),
    describeDuration: (edge) => durationAttributes(edge, nodeName, choice),
    describeOverflow,
  });
  const { scrapes } = page;
  await state?.begin({ snapshots, ledger, names, scrapes, producer, push, meter });
  const cycle = new Cycle({
    snapshots,
    names,
    ledger,
    leaks: leaksFrom(settings, telemetry, log),
    producer,
    metrics: new SelfMetrics(meter),
    interval,
    kernel: new KernelMetrics(meter, { nodeName }),
    events: settings.events === 'destroy' ? new EventMetrics(meter) : undefined,
    state,
    log,
  });
  const resources = setup.move();
  return { cycle, interval, producer, page, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Overflow is of many strangers. */
function hasOwner(labels: Attributes): boolean {
  return !(ATTRIBUTE.overflow in labels);
}

function leaksFrom(
  { signals, 'leak-window': windowMs, 'otlp-names': otlpNames }: AgentSettings,
  { logger }: Telemetry,
  log: Log,
) {
  if (!signals.includes('leak_score')) return undefined;
  return {
    watch: new LeakWatch<Attributes>({ windowMs, isJudged: hasOwner }),
    report: new LeakReport({ logger, otlpNames, log }),
  };
}

/** What reads a file is loaded only when there is one: it costs 2 MB. */
async function namesFrom(
  settings: AgentSettings,
  {
    resources,
    meter,
    log,
  }: { readonly resources: AsyncDisposableStack; readonly meter: Meter; readonly log: Log },
): Promise<Names> {
  const { 'inventory-file': path, 'controller-url': url, 'node-name': nodeName } = settings;
  if (path !== undefined) {
    const { FileNames } = await import('./file-names.ts');
    const names = new FileNames({ path, log });
    observeMapping(meter, () => names.mapping);
    return names;
  }
  if (url !== undefined) {
    const credentials = {
      token: settings['controller-token-file'],
      ca: settings['controller-ca-file'],
      cert: settings['controller-cert-file'],
      key: settings['controller-key-file'],
    };
    const observer = new QuestionMetrics(meter);
    const names = new ControllerNames({ url, credentials, nodeName, log, observer });
    observeMapping(meter, () => names.mapping);
    return resources.use(names);
  }
  return NO_NAMES;
}

async function serve(
  agent: Agent,
  { settings, log, signal }: AgentOptions,
  otel: OtelSettings,
): Promise<void> {
  const { interval } = agent;
  const pulse = new Pulse();
  await using server = await startHttpServer({
    listen: settings.listen,
    routes: routesOf(agent, { pulse, otel, log }),
    log,
  });
  log.info({ port: server.port, node: settings['node-name'] }, 'Agent listens');
  // At once, beside the cycle that may still run: both have to fit into the time for an orderly end.
  signal.addEventListener('abort', () => void server[Symbol.asyncDispose](), { once: true });
  await every({
    periodMs: () => interval.inForceMs,
    // One rollout starts thousands of agents, each with a question at once, for a name that comes late
    // makes two series; from then on their polls, and so their questions, are spread over the period.
    firstPeriodMs: interval.setMs * Math.random(),
    signal,
    pulse,
    tick: async (tickSignal) => {
      await agent.cycle.tick(tickSignal);
      // Not before: most of what the first cycle makes stays, and to look for garbage in it takes long.
      keepHeapSmall();
    },
    onError: (error) => {
      if (error instanceof Failure) throw error;
      log.error({ err: error }, 'Cycle failed: what was published last stays');
    },
  });
}

function routesOf(
  { interval, producer, page }: Agent,
  options: {
    readonly pulse: Pulse;
    readonly otel: OtelSettings;
    readonly log: Log;
  },
): Routes {
  const { pulse, otel, log } = options;
  const original = new OriginalPage({ producer, log });
  const isAlive = () => pulse.ageMs < Math.max(1.5 * interval.inForceMs, LIVENESS_MS_MIN);
  const isReady = () => Number.isFinite(producer.takenAtMs);
  return {
    '/livez': probe(isAlive, 'No cycle began for too long'),
    '/readyz': probe(isReady, 'No snapshot is published yet'),
    ...(otel.exporters.has('prometheus') && {
      '/metrics': (request, response) => page.handle(request, response),
      '/khan': (request, response) => original.handle(request, response),
    }),
  };
}

function probe(isWell: () => boolean, otherwise: string): Handler {
  return (_request, response) => {
    if (isWell()) sendText(response, 200, 'ok');
    else sendText(response, 503, otherwise);
  };
}
