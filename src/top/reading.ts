import { setImmediate as pause } from 'node:timers/promises';
import { METRIC } from '../telemetry/metric-names.ts';
import { ATTRIBUTE } from '../telemetry/names.ts';
import { samplesOf, type Sample } from '../telemetry/samples.ts';
import { addTo, SOURCES_OF, type Values } from './measures.ts';

/** Samples between two pauses: some 20 ms, so that a key is not kept waiting. */
const SLICE_SAMPLES = 10_000;

export type Labels = Readonly<Record<string, string>>;

/** All that a page says about one attribute set. */
export interface Edge {
  readonly labels: Labels;
  readonly values: Values;
}

/** How the agent and its table do. */
export interface Health {
  node?: string;
  entries?: number;
  limit?: number;
  /** When the snapshot was taken, in ms since the epoch by the agent's clock. */
  takenAtMs?: number;
  cycles?: number;
  failedCycles?: number;
  isMappingStale?: boolean;
}

/** One page of an agent, read. */
export interface Reading {
  readonly health: Readonly<Health>;
  /** By all of their labels. */
  readonly edges: ReadonlyMap<string, Edge>;
}

const FACTS: ReadonlyMap<string, (health: Health, sample: Sample) => void> = new Map([
  [
    METRIC.conntrackEntries.name,
    (health: Health, { labels, value }: Sample) => {
      health.entries = value;
      const node = labels[ATTRIBUTE.node];
      if (node !== undefined) health.node = node;
    },
  ],
  [METRIC.conntrackLimit.name, (health, { value }) => (health.limit = value)],
  [
    `${METRIC.agentSnapshotTime.name}_seconds`,
    (health, { value }) => (health.takenAtMs = value * 1000),
  ],
  [
    `${METRIC.agentCycles.name}_total`,
    (health, { labels, value }) => {
      if (labels[ATTRIBUTE.result] === 'failure') health.failedCycles = value;
      else health.cycles = value;
    },
  ],
  [METRIC.mappingStale.name, (health, { value }) => (health.isMappingStale = value > 0)],
]);

/**
 * Throws an Error when this is no page of an agent. `isPrimaryOnly`: without the connections that
 * another agent counts, so that the pages of a cluster can be added up.
 */
export async function readPage(
  page: string,
  { isPrimaryOnly }: { readonly isPrimaryOnly: boolean },
): Promise<Reading> {
  const health: Health = {};
  const edges = new Map<string, Edge>();
  let samples = 0;
  for (const sample of samplesOf(page)) {
    if (++samples % SLICE_SAMPLES === 0) await pause();
    FACTS.get(sample.name)?.(health, sample);
    const isCounted = !isPrimaryOnly || sample.labels[ATTRIBUTE.primary] !== 'false';
    if (isCounted) addSample(edges, sample);
  }
  if (health.cycles === undefined) {
    throw new Error(`it has no ${METRIC.agentCycles.name}_total: no page of khan's agent`);
  }
  return { health, edges };
}

function addSample(edges: Map<string, Edge>, { name, labels, value }: Sample): void {
  const sources = SOURCES_OF.get(name);
  if (sources === undefined) return;
  const own = sources[0]?.own;
  const key = keyOf(labels, own);
  let edge = edges.get(key);
  if (edge === undefined) {
    const { [own ?? '']: _, ...rest } = labels;
    edge = { labels: rest, values: {} };
    edges.set(key, edge);
  }
  for (const { measure, only } of sources) {
    const isCounted = only === undefined || only.includes(labels[own ?? ''] ?? '');
    // What is told and does not count is 0, which is not the same as unknown.
    addTo(edge.values, measure, isCounted ? value : 0);
  }
}

/** The same text for the same labels in the same order, and for no others, whatever the values are. */
export function keyOf(labels: Labels, without?: string): string {
  let key = '';
  for (const label in labels) {
    if (label === without) continue;
    const value = labels[label] ?? '';
    key += `${label}=${value.length}:${value}`;
  }
  return key;
}
