import type { Inventory } from '../inventory/inventory.ts';
import type { Log } from '../runtime/log.ts';
import type { ClusterClient } from './cluster-client.ts';
import { ClusterInventory } from './cluster-inventory.ts';
import type { ReflectorObserver, ReflectorStatus } from './reflector-observer.ts';
import { Reflector } from './reflector.ts';
import type { Resource, Sink } from './resource.ts';
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from './resources.ts';

/** Reconnecting takes some seconds at most; who fails for longer may be telling what is outdated. */
const STALE_MS = 30_000;

export interface ClusterWatch extends AsyncDisposable {
  /** `synced`: every kind has been read once. `stale`: one of them has not been heard of for a while. */
  readonly state: { readonly synced: boolean; readonly stale: boolean };
  readonly statuses: readonly ReflectorStatus[];
}

/** Keeps the inventory equal to what the API server has, until it is disposed of. */
export function watchCluster({
  client,
  inventory,
  observer,
  log,
  now = Date.now,
}: {
  readonly client: ClusterClient;
  readonly inventory: Inventory;
  readonly observer: ReflectorObserver;
  readonly log: Log;
  readonly now?: () => number;
}): ClusterWatch {
  const closing = new AbortController();
  const objects = new ClusterInventory({ inventory });
  const reflect = <Kept>(resource: Resource<Kept>, sink: Sink<Kept>): Reflector<Kept> =>
    new Reflector({ resource, sink, client, observer, log, now });
  const reflectors = [
    reflect(NODES, objects.nodes),
    reflect(PODS, objects.owners),
    reflect(SERVICES, objects.owners),
    reflect(ENDPOINT_SLICES, objects.owners),
  ];
  const running = Promise.all(reflectors.map((each) => each.run(closing.signal)));
  return {
    get statuses() {
      return reflectors.map(({ status }) => status);
    },
    get state() {
      const outdatedMs = now() - STALE_MS;
      const { statuses } = this;
      return {
        synced: statuses.every(({ synced }) => synced),
        stale: statuses.some(({ failingSinceMs = Infinity }) => failingSinceMs < outdatedMs),
      };
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      await running;
    },
  };
}
