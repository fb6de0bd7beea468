import { SelfMetrics } from '../../src/controller/self-metrics.ts';
import { createServer, type ServerOptions } from '../../src/controller/server.ts';

type Needed = 'inventory' | 'log';

/** The controller's API in clear text, for everybody, unless told otherwise. */
export function controllerServer(
  options: Pick<ServerOptions, Needed> & Partial<Omit<ServerOptions, Needed>>,
) {
  const { inventory, state = () => ({ synced: true, stale: false }) } = options;
  const metrics = new SelfMetrics({ inventory, state, statuses: () => [] });
  const app = createServer({
    state,
    metrics,
    nextPollMs: 30_000,
    version: '0',
    connectionAgeMsMax: 600_000,
    hasOriginalCache: false,
    ...options,
  });
  app.addHook('onClose', () => metrics[Symbol.asyncDispose]());
  return { app, metrics };
}
