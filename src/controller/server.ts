import { fastify, type FastifyInstance } from 'fastify';
import { REQUEST_BYTES_MAX } from '../inventory/wire.ts';
import type { Log } from '../runtime/log.ts';
import { compressResponses } from './compression.ts';
import { answerProblems, Problem } from './problem.ts';
import { resolveApi, type Knowledge } from './resolve-api.ts';
import { SelfMetrics } from './self-metrics.ts';

/** From the first byte of a request to its last. */
const REQUEST_MS_MAX = 10_000;
/** Longer than the agents' poll interval, so that each keeps its connection. */
const KEEP_ALIVE_MS = 75_000;
/** An idle connection costs 72 KiB with TLS. */
const CONNECTIONS_MAX = 8192;

const TEXT = 'text/plain; charset=utf-8';
/** https://prometheus.io/docs/instrumenting/exposition_formats/ */
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** All pages of the controller; it does not listen yet. */
export function createServer(
  options: Knowledge & { readonly nextPollMs: number; readonly log: Log },
): FastifyInstance {
  const { inventory, state, nextPollMs, log } = options;
  const app = fastify({
    bodyLimit: REQUEST_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What a newer agent sends beside what is known here is ignored, and nothing is converted.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  const metrics = new SelfMetrics({ inventory });
  app.addHook('onClose', () => metrics[Symbol.asyncDispose]());
  answerProblems(app, log);
  compressResponses(app);

  app.get('/livez', (_request, reply) => reply.type(TEXT).send('ok\n'));
  app.get('/readyz', (_request, reply) => {
    if (!state().synced) throw new Problem(503, 'The inventory is not complete yet');
    return reply.type(TEXT).send('ok\n');
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(PROMETHEUS_TEXT).send(await metrics.render()),
  );
  app.register(async (scope) => resolveApi(scope, { inventory, state, nextPollMs, metrics }));
  return app;
}
