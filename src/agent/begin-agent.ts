import type { Log } from '../runtime/log.ts';
import { AgentState } from './agent-state.ts';
import { checkSettings, type AgentSettings } from './config.ts';
import { SnapshotSource } from './snapshot-source.ts';
import { currentTerms } from './state-terms.ts';

interface BeginOptions {
  readonly settings: AgentSettings;
  /** Of khan. */
  readonly version: string;
  readonly log: Log;
}

/**
 * What an agent begins with. On its own, because the rest of it takes as long to load as the worker takes
 * to read a small table.
 */
export interface BegunAgent {
  /** Undefined where none is kept: one look at the table needs none. */
  readonly state: AgentState | undefined;
  readonly snapshots: SnapshotSource;
}

/** Throws a Failure when the settings do not do, or no state can be kept. */
export function beginAgent({ settings, version, log }: BeginOptions): BegunAgent {
  checkSettings(settings);
  const { netns, events, once, 'state-dir': path } = settings;
  const state =
    path === undefined || once
      ? undefined
      : new AgentState({ path, version, terms: currentTerms(settings), log });
  const followsEvents = events === 'destroy';
  return { state, snapshots: new SnapshotSource({ netns, followsEvents, state: state?.place }) };
}

/** Begins to read the kernel's table, unless there may be a state to go on from first. */
export function readAhead({ state, snapshots }: BegunAgent): void {
  snapshots.begin({ takes: state === undefined });
}
