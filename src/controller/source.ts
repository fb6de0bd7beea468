import { InventoryFile } from '../inventory/file.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { ReflectorObserver, ReflectorStatus } from '../cluster/reflector-observer.ts';
import type { Review } from '../cluster/token-review.ts';
import type { Log } from '../runtime/log.ts';
import type { ControllerSettings } from './config.ts';
import { lookAgain } from './look-again.ts';

/** Where the inventory comes from. */
export interface Source extends AsyncDisposable {
  readonly state: { readonly synced: boolean; readonly stale: boolean };
  readonly statuses: readonly ReflectorStatus[];
  /** Rejects when the API server cannot be asked. */
  readonly review: ((token: string) => Promise<Review>) | undefined;
}

interface Options {
  readonly settings: ControllerSettings;
  readonly inventory: Inventory;
  readonly observer: ReflectorObserver;
  readonly log: Log;
  readonly fileCheckMs: number;
}

/** Throws a Failure when the inventory file is faulty or there is no way to the API server. */
export async function openSource(options: Options): Promise<Source> {
  await using resources = new AsyncDisposableStack();
  const path = options.settings['inventory-file'];
  if (path !== undefined) resources.use(await followFile(path, options));
  const cluster =
    options.settings.source === 'kubernetes' ? await followCluster(options, resources) : undefined;
  const kept = resources.move();
  return {
    get state() {
      return cluster?.watch.state ?? { synced: true, stale: false };
    },
    get statuses() {
      return cluster?.watch.statuses ?? [];
    },
    review: cluster?.review,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function followFile(
  path: string,
  { inventory, log, fileCheckMs }: Options,
): Promise<AsyncDisposable> {
  const file = new InventoryFile({ path, inventory, log });
  await file.load();
  const refresh = () => file.refresh();
  return lookAgain({ what: 'the inventory file', periodMs: fileCheckMs, refresh, log });
}

async function followCluster(
  { settings, inventory, observer, log }: Options,
  resources: AsyncDisposableStack,
) {
  // On demand: the Kubernetes client costs 80 MB, which a controller of files does not need.
  const { ClusterClient } = await import('../cluster/cluster-client.ts');
  const { TokenReviewer } = await import('../cluster/token-review.ts');
  const { watchCluster } = await import('../cluster/watch-cluster.ts');
  const { kubeconfig, 'kube-context': context, 'token-audience': audience } = settings;
  const client = ClusterClient.load({ kubeconfig, context });
  const reviewer = resources.use(new TokenReviewer({ client, audience }));
  const watch = resources.use(watchCluster({ client, inventory, observer, log }));
  return { watch, review: async (token: string) => reviewer.review(token) };
}
