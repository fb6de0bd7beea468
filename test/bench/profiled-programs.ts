import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { AgentProgram } from './agent-program.ts';
import { lineOf } from './channel.ts';
import { startController, until } from './controller-program.ts';
import type { CycleSize } from './cycle.ts';
import { FilledTable } from './filled-table.ts';
import { PageServer } from './page.ts';
import { startProgram, statusOf } from './program.ts';
import { ask, nodeOf, NODES, wantedOf } from './questions.ts';
import { Sink } from './sink.ts';

export interface ProfileSize extends CycleSize {
  readonly series: number;
  readonly pods: number;
}

interface Profiler {
  readonly resources: AsyncDisposableStack;
  /** Of the program that is profiled. */
  readonly env: Readonly<Record<string, string>>;
  readonly begin: (program: ChildProcess) => void;
  /** Resolves when every thread has written its profile. */
  readonly end: (program: ChildProcess) => Promise<void>;
}

interface Profiled {
  readonly title: string;
  /** What each thread that matters is called. */
  readonly threads: Readonly<Partial<Record<'main' | 'worker', string>>>;
  readonly run: (size: ProfileSize, profiler: Profiler) => Promise<void>;
}

const POLL_MS = 500;
const WARM_UP_CYCLES = 8;
const CYCLES = 16;
const WARM_UP_SCRAPES = 20;
const SCRAPES = 120;
const PUSHES_MAX = 1000;
const PUSH_WARM_UP_MS = 4000;
const PUSH_MS = 8000;
/** Of each node, which may ask 64 times at once. */
const WARM_UP_QUESTIONS = 4;
const QUESTIONS = 20;
const FROM_START = { KHAN_BENCH_PROFILE_FROM_START: '1' };

export const PROFILED: Readonly<Record<string, Profiled>> = {
  cycle: {
    title: 'the cycle',
    threads: { main: 'main thread', worker: 'snapshot worker' },
    async run({ entries, edges, ipv6 }, { resources, env, begin, end }) {
      const filling = { entries, edges, ipv6Share: ipv6 / 100 };
      const table = resources.use(await FilledTable.create(filling));
      const argv = ['--poll-interval', `${POLL_MS}ms`, '--series-max', String(edges)];
      const netns = table.namespace.path;
      const agent = await AgentProgram.start({ netns, argv, env, resources });
      await agent.published(WARM_UP_CYCLES);
      begin(agent.child);
      await agent.published(CYCLES);
      await end(agent.child);
    },
  },

  footprint: {
    title: 'the first snapshot',
    threads: { main: 'main thread', worker: 'snapshot worker' },
    async run({ entries, edges, ipv6 }, { resources, env, end }) {
      const filling = { entries, edges, ipv6Share: ipv6 / 100 };
      const table = resources.use(await FilledTable.create(filling));
      const argv = ['--poll-interval', '1h', '--series-max', String(edges)];
      const netns = table.namespace.path;
      const fromStart = { env: { ...env, ...FROM_START } };
      const agent = await AgentProgram.start({ netns, argv, resources, ...fromStart });
      await end(agent.child);
    },
  },

  page: {
    title: 'the scrape',
    threads: { main: 'main thread' },
    async run({ series }, { resources, env, begin, end }) {
      const way = { by: 'khan', format: 'text', encoding: 'identity' } as const;
      const server = await PageServer.start(way, series, env);
      resources.defer(() => server.stop());
      for (let scrape = 0; scrape < WARM_UP_SCRAPES; scrape++) await server.scrape();
      begin(server.child);
      for (let scrape = 0; scrape < SCRAPES; scrape++) await server.scrape();
      await end(server.child);
    },
  },

  otlp: {
    title: 'the push',
    threads: { main: 'main thread' },
    async run({ series }, { resources, env, begin, end }) {
      const sink = resources.use(await Sink.create());
      const push = startProgram(
        [join(import.meta.dirname, 'otlp-push.ts'), '--series', String(series)].concat([
          '--rounds',
          String(PUSHES_MAX),
        ]),
        resources,
        {
          ...env,
          OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
          OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
          OTEL_METRIC_EXPORT_INTERVAL: '600000',
        },
      );
      await until(async () => sink.requests > 0);
      await delay(PUSH_WARM_UP_MS);
      begin(push);
      await delay(PUSH_MS);
      await end(push);
    },
  },

  sync: {
    title: 'the first sync',
    threads: { main: 'main thread' },
    async run({ pods }, { resources, env, end }) {
      const { controller } = await synced(pods, { ...env, ...FROM_START }, resources);
      await end(controller);
    },
  },

  controller: {
    title: 'addresses that are all wanted',
    threads: { main: 'main thread' },
    async run({ pods }, { resources, env, begin, end }) {
      const { controller, url } = await synced(pods, env, resources);
      const agents = new Pool(url);
      resources.defer(() => agents.destroy());
      const question = { want: wantedOf(pods) };
      const askOften = async (times: number) => {
        for (let nth = 0; nth < times * NODES; nth++) await ask(agents, nodeOf(nth), question);
      };
      await askOften(WARM_UP_QUESTIONS);
      begin(controller);
      await askOften(QUESTIONS);
      await end(controller);
    },
  },
};

async function synced(
  pods: number,
  env: Readonly<Record<string, string>>,
  resources: AsyncDisposableStack,
) {
  const argv = [join(import.meta.dirname, 'kube-api-load.ts'), '--pods', String(pods)];
  const server = `http://127.0.0.1:${await lineOf(startProgram(argv, resources))}`;
  const started = await startController(server, resources, [], { env });
  await until(async () => (await statusOf(started.pages)) === 200);
  return started;
}
