import { setImmediate as pause } from 'node:timers/promises';
import type { Attributes, Meter } from '@opentelemetry/api';
import type { Ledger } from '../connections/ledger.ts';
import type { Series } from '../connections/series.ts';
import type { ConnectionProducer } from '../telemetry/connection-producer.ts';
import type { OtlpPush } from '../telemetry/otlp-reader.ts';
import { restoreDelivery } from '../telemetry/saved-points.ts';
import type { ScrapeLog } from '../telemetry/scrape-log.ts';
import type { LoadedState } from './loaded-state.ts';
import type { Names } from './names.ts';
import type { SnapshotSource } from './snapshot-source.ts';

/** Everything that goes on over a restart. */
export interface StateParts {
  readonly snapshots: SnapshotSource;
  readonly ledger: Ledger<Attributes>;
  readonly names: Names;
  readonly scrapes: ScrapeLog;
  readonly producer: ConnectionProducer;
  readonly push: Pick<OtlpPush, 'ended' | 'isDelta'> | undefined;
  readonly meter: Meter;
}

/** All parts go on from there. When it rejects, some may have and others not. */
export async function restoreState(loaded: LoadedState, parts: StateParts): Promise<void> {
  const { head, owners, formerOwners, columns, clients } = loaded;
  const edges = await parts.snapshots.resume(columns, formerOwners);
  const restoring = parts.ledger.restore(loaded, edges);
  let step = restoring.next();
  while (step.done !== true) {
    await pause();
    step = restoring.next();
  }
  parts.names.restore(
    owners.map(({ address, identity }) => [address, identity]),
    head.takenAtMs,
  );
  parts.scrapes.restore(clients, head.takenAtMs);
  if (parts.push !== undefined) restorePush(step.value, loaded, parts);
}

/** What the last push had delivered, and what was waiting for one. */
function restorePush(
  series: readonly Series<Attributes>[],
  { delivered, ended }: LoadedState,
  { producer, push }: StateParts,
): void {
  push?.ended.restore(ended);
  // Also those of which nothing was delivered: they may end before they are published.
  for (const one of series) producer.pointsOf(one);
  for (const { at, counters } of delivered) {
    const one = series[at];
    if (one !== undefined) restoreDelivery(producer.pointsOf(one), counters);
  }
}
