import { once } from 'node:events';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { Inventory } from '../inventory/inventory.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { sendText, startHttpServer, type Routes } from '../runtime/http-server.ts';
import type { Log } from '../runtime/log.ts';
import { Authenticator, type ReviewResult } from './authenticate.ts';
import { Certificates } from './certificates.ts';
import { checkSettings, type ControllerSettings } from './config.ts';
import { lookAgain } from './look-again.ts';
import { SelfMetrics } from './self-metrics.ts';
import { createServer } from './server.ts';
import { openSource, type Source } from './source.ts';

/** How long requests may take to end when the controller does; its pages come after them. */
const CLOSE_MS = 1000;
/** How often files are looked at again. */
const FILE_CHECK_MS = 5000;
/** https://prometheus.io/docs/instrumenting/exposition_formats/ */
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

interface Controller extends AsyncDisposable {
  /** Where agents ask, e.g. `https://127.0.0.1:8443`. */
  readonly url: string;
  /** Where it says how it is, e.g. `http://127.0.0.1:9464`. */
  readonly metricsUrl: string;
}

interface ControllerOptions {
  readonly settings: ControllerSettings;
  readonly version: string;
  readonly log: Log;
}

/** Runs a controller until the signal is aborted. Throws a {@link Failure} when it cannot start. */
export async function runController(
  options: ControllerOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { signal, log } = options;
  await using controller = await startController(options);
  const { url, metricsUrl } = controller;
  log.info({ url, metricsUrl }, 'Controller started');
  if (!signal.aborted) await once(signal, 'abort');
}

/** Throws a {@link Failure} when a setting, a file or a port does not allow it. */
export async function startController({
  settings,
  version,
  log,
  fileCheckMs = FILE_CHECK_MS,
}: ControllerOptions & { readonly fileCheckMs?: number }): Promise<Controller> {
  checkSettings(settings);
  await using resources = new AsyncDisposableStack();
  const inventory = new Inventory({ now: Date.now });
  let source: Source | undefined;
  let isServing = false;
  const state = () => source?.state ?? { synced: false, stale: false };
  const statuses = () => source?.statuses ?? [];
  const metrics = resources.use(new SelfMetrics({ inventory, state, statuses }));
  const certificates = certificatesOf(settings, log);
  const tls = await certificates?.load();
  source = resources.use(
    await openSource({ settings, inventory, observer: metrics, log, fileCheckMs }),
  );
  // Before the API, so that they end after it: who asks whether this is ready is told that it ends.
  const pages = resources.use(
    await startHttpServer({
      listen: settings['metrics-listen'],
      routes: routesOf({ isReady: () => isServing && state().synced, metrics }),
      log,
    }),
  );
  const app = createServer({
    inventory,
    state,
    nextPollMs: settings['poll-interval'],
    metrics,
    version,
    log,
    tls,
    connectionAgeMsMax: settings['connection-max-age'],
    hasOriginalCache: settings['original-cache'],
    authenticator: authenticatorOf({ settings, source, metrics, log }),
  });
  const url = await listen(app, settings.listen);
  resources.defer(() => close(app));
  const { server } = app;
  if (certificates !== undefined && server instanceof TlsServer) {
    const refresh = () => certificates.refresh(server);
    const what = 'the certificate files';
    resources.use(lookAgain({ what, periodMs: fileCheckMs, refresh, log }));
  }
  isServing = true;
  const kept = resources.move();
  return {
    url,
    metricsUrl: `http://${hostOf(settings['metrics-listen'])}:${pages.port}`,
    async [Symbol.asyncDispose]() {
      isServing = false;
      await kept.disposeAsync();
    },
  };
}

function certificatesOf(settings: ControllerSettings, log: Log): Certificates | undefined {
  const { tls, 'tls-cert-file': certPath, 'tls-key-file': keyPath } = settings;
  if (tls === 'off' || certPath === undefined || keyPath === undefined) return undefined;
  return new Certificates({ certPath, keyPath, clientCaPath: settings['tls-client-ca-file'], log });
}

function authenticatorOf({
  settings,
  source: { review },
  metrics,
  log,
}: {
  readonly settings: ControllerSettings;
  readonly source: Source;
  readonly metrics: SelfMetrics;
  readonly log: Log;
}): Authenticator | undefined {
  if (settings.auth === 'none') return undefined;
  if (review === undefined) throw new Error('Cannot review tokens: there is no API server');
  const reviewed = (result: ReviewResult) => metrics.reviewed(result);
  return new Authenticator({
    review,
    serviceAccounts: settings['service-accounts'],
    reviewed,
    log,
  });
}

function routesOf({
  isReady,
  metrics,
}: {
  readonly isReady: () => boolean;
  readonly metrics: SelfMetrics;
}): Routes {
  return {
    '/livez': (_request, response) => sendText(response, 200, 'ok'),
    '/readyz': (_request, response) => {
      if (isReady()) sendText(response, 200, 'ok');
      else sendText(response, 503, 'The inventory is not complete yet, or this is about to end');
    },
    '/metrics': async (_request, response) => {
      const page = await metrics.render();
      response.writeHead(200, { 'Content-Type': PROMETHEUS_TEXT }).end(page);
    },
  };
}

async function listen(
  app: FastifyInstance,
  address: ControllerSettings['listen'],
): Promise<string> {
  try {
    return await app.listen(address);
  } catch (cause) {
    await app.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`Cannot serve the agents: ${reason}`, { exitCode: EXIT_FAILURE, cause });
  }
}

/** Requests in flight may end; what takes too long is cut off. */
async function close(app: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  await app.close();
  clearTimeout(cut);
}

function hostOf({ host }: ControllerSettings['metrics-listen']): string {
  return host.includes(':') ? `[${host}]` : host;
}
