import { once } from 'node:events';
import { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { Inventory } from '../inventory/inventory.ts';
import { every } from '../runtime/every.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { sendText, startHttpServer, type Routes } from '../runtime/http-server.ts';
import type { Log } from '../runtime/log.ts';
import { Authenticator } from './authenticate.ts';
import { Certificates } from './certificates.ts';
import { checkSettings, type ControllerSettings } from './config.ts';
import { SelfMetrics } from './self-metrics.ts';
import { createServer } from './server.ts';
import { openSource, type Source } from './source.ts';

/** How long requests may take to end when the controller does. */
const CLOSE_MS = 1500;
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
  const state = () => source?.state ?? { synced: false, stale: false };
  const statuses = () => source?.statuses ?? [];
  const metrics = resources.use(new SelfMetrics({ inventory, state, statuses }));
  const certificates = certificatesOf(settings, log);
  const tls = await certificates?.load();
  const opened = await openSource({ settings, inventory, observer: metrics, log, fileCheckMs });
  source = resources.use(opened);
  const { review } = opened;
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
    authenticator:
      settings.auth === 'none' || review === undefined
        ? undefined
        : new Authenticator({
            review,
            serviceAccounts: settings['service-accounts'],
            reviewed: (result) => metrics.reviewed(result),
          }),
  });
  const url = await listen(app, settings.listen);
  let isClosing = false;
  resources.defer(() => close(app));
  const pages = resources.use(
    await startHttpServer({
      listen: settings['metrics-listen'],
      routes: routesOf({ isReady: () => state().synced && !isClosing, metrics }),
      log,
    }),
  );
  if (certificates !== undefined) {
    resources.use(refreshed({ certificates, app, log, fileCheckMs }));
  }
  const kept = resources.move();
  return {
    url,
    metricsUrl: `http://${hostOf(settings['metrics-listen'])}:${pages.port}`,
    async [Symbol.asyncDispose]() {
      isClosing = true;
      await kept.disposeAsync();
    },
  };
}

function certificatesOf(settings: ControllerSettings, log: Log): Certificates | undefined {
  const { tls, 'tls-cert-file': certPath, 'tls-key-file': keyPath } = settings;
  if (tls === 'off' || certPath === undefined || keyPath === undefined) return undefined;
  return new Certificates({ certPath, keyPath, clientCaPath: settings['tls-client-ca-file'], log });
}

function refreshed({
  certificates,
  app,
  log,
  fileCheckMs,
}: {
  readonly certificates: Certificates;
  readonly app: FastifyInstance;
  readonly log: Log;
  readonly fileCheckMs: number;
}): AsyncDisposable {
  const closing = new AbortController();
  const { server } = app;
  const running = every({
    periodMs: fileCheckMs,
    signal: closing.signal,
    tick: async () => {
      if (server instanceof TlsServer) await certificates.refresh(server);
    },
    onError: (err) => log.error({ err }, 'Cannot look at the certificate files again'),
  });
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
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
