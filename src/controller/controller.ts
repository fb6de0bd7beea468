import { once } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { InventoryFile } from '../inventory/file.ts';
import { Inventory } from '../inventory/inventory.ts';
import { every } from '../runtime/every.ts';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import { SettingsError } from '../runtime/settings.ts';
import type { ControllerSettings } from './config.ts';
import { createServer } from './server.ts';

/** How long requests may take to end when the controller does. */
const CLOSE_MS = 1500;

interface Controller extends AsyncDisposable {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
}

interface ControllerOptions {
  readonly settings: ControllerSettings;
  readonly log: Log;
}

/** Runs a controller until the signal is aborted. Throws a {@link Failure} when it cannot start. */
export async function runController(
  options: ControllerOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { signal, log } = options;
  await using controller = await startController(options);
  log.info({ url: controller.url }, 'Controller started');
  if (!signal.aborted) await once(signal, 'abort');
}

/** Throws a {@link Failure} when the inventory file is faulty or the port is taken. */
export async function startController({
  settings,
  log,
  fileCheckMs = 5000,
}: ControllerOptions & { readonly fileCheckMs?: number }): Promise<Controller> {
  const path = settings['inventory-file'];
  if (path === undefined) throw new SettingsError(['--inventory-file: missing']);
  const inventory = new Inventory({ now: Date.now });
  const file = new InventoryFile({ path, inventory, log });
  await file.load();

  const app = createServer({
    inventory,
    state: () => ({ synced: true, stale: false }),
    nextPollMs: settings['poll-interval'],
    log,
  });
  const url = await listen(app, settings.listen);
  const closing = new AbortController();
  const refreshed = every({
    periodMs: fileCheckMs,
    signal: closing.signal,
    tick: () => file.refresh(),
    onError: (err) => log.error({ err }, 'Cannot look at the inventory file again'),
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all([close(app), refreshed]);
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
